"""The word list of CONTRIBUTING.md is what `make lint` checks."""

import re
import subprocess
import sys

import pytest
from conftest import ROOT


def word_list():
    """What to write, for each word or phrase to avoid, from the table in CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.split("<!-- words -->")[1].split("<!-- end of words -->")[0]
    words = {}
    for write, avoid in re.findall(r"^\| (.+) \| (.+) \|$", table, re.M)[1:]:
        for phrase in avoid.split(", "):
            words[phrase.replace("(s)", "")] = write.replace("(s)", "")
            if "(s)" in phrase:
                words[phrase.replace("(s)", "s")] = write.replace("(s)", "s")
    return words


WORDS = word_list()


def check_spelling(text):
    """What codespell says about a text, line by line."""
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", "-"],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert not done.stderr
    return re.findall(r"^\d+: .*\n\t(.+) ==> (.+)$", done.stdout, re.M)


def test_dictionary_is_the_word_list():
    lines = (ROOT / "doc" / "words.txt").read_text().splitlines()
    assert dict(line.rstrip(",").split("->") for line in lines) == WORDS
    assert lines == sorted(lines)


@pytest.mark.parametrize("form", [str.lower, str.capitalize])
def test_every_word_to_avoid_is_found(form):
    text = "".join(f"{form(phrase)} it.\n" for phrase in WORDS)
    found = [(avoid.lower(), write.lower()) for avoid, write in check_spelling(text)]
    assert found == list(WORDS.items())


def test_words_that_contain_a_word_to_avoid_are_not_found():
    text = "Besides, the likelihood of akin, whole datasets; within the meanings of a dataset."
    assert check_spelling(text) == []


def test_spelling_is_american():
    british = "normalise"  # codespell:ignore normalise
    assert check_spelling(f"{british}\n") == [(british, "normalize")]
