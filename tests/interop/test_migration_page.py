"""The code of the page for people who come from other libraries."""

import re
import textwrap

import numpy as np
import pytest
from conftest import ROOT

PAGE = (ROOT / "doc" / "user_guide" / "migration.rst").read_text()
BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE, re.M)
]


@pytest.fixture(scope="module")
def names():
    """Variables that the blocks share, as on the page."""
    pytest.importorskip("pyod", reason="PyOD is not installed: pip install skgad[pyod]")
    names: dict = {}
    exec(BLOCKS[0], names)
    return names


@pytest.mark.parametrize("code", BLOCKS[1:], ids=lambda code: code.strip().splitlines()[0])
def test_the_task_is_solved_in_every_library(code, names):
    if "from nonconform" in code:
        reason = "nonconform is not installed; it requires Python 3.12: pip install nonconform"
        pytest.importorskip("nonconform", reason=reason)
    names.pop("auc", None)
    exec(code, names)
    is_outlier, labels = names["y_test"] == -1, names["labels"]
    outlier_label = 1 if set(labels) == {0, 1} else -1
    assert (labels[is_outlier] == outlier_label).mean() > 0.5
    assert (labels[~is_outlier] == outlier_label).mean() < 0.3
    if "auc" in code:
        assert names["auc"] > 0.9
    else:
        assert names["p"][is_outlier].mean() < np.median(names["p"][~is_outlier])
