"""Files are written completely or not at all."""

import os
import stat

import pytest

from skgad._files import atomic_write


def test_the_file_appears_once_it_is_complete(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_failure_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o600)
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_replaced_file_is_kept_under_another_name(tmp_path):
    path, previous = tmp_path / "file", tmp_path / "file.previous"
    for content in ("first", "second", "third"):
        with atomic_write(path, previous=previous) as temporary:
            temporary.write_text(content)
            if content == "first":
                assert not previous.exists()
    assert path.read_text() == "third"
    assert previous.read_text() == "second"
    assert sorted(os.listdir(tmp_path)) == ["file", "file.previous"]


def test_a_failure_keeps_the_previous_file_as_well(tmp_path):
    path, previous = tmp_path / "file", tmp_path / "file.previous"
    path.write_text("second")
    previous.write_text("first")
    with pytest.raises(ZeroDivisionError), atomic_write(path, previous=previous) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "second"
    assert previous.read_text() == "first"
    assert sorted(os.listdir(tmp_path)) == ["file", "file.previous"]


def test_a_failure_while_a_file_is_replaced_leaves_two_complete_files(tmp_path, monkeypatch):
    path, previous = tmp_path / "file", tmp_path / "file.previous"
    path.write_text("second")
    previous.write_text("first")
    replace = os.replace

    def fail_at_the_path(source, target):
        if target == path:
            raise OSError("The machine was switched off")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_at_the_path)
    with (
        pytest.raises(OSError, match="switched off"),
        atomic_write(path, previous=previous) as temporary,
    ):
        temporary.write_text("third")
    assert path.read_text() == "second"
    assert previous.read_text() == "second"
    assert sorted(os.listdir(tmp_path)) == ["file", "file.previous"]


def test_a_file_system_without_links_keeps_a_copy(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("Operation not supported")

    monkeypatch.setattr(os, "link", fail)
    test_a_replaced_file_is_kept_under_another_name(tmp_path)


def test_a_symbolic_link_stays_a_link(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_text("old")
    link.symlink_to(path)
    with atomic_write(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"


def test_only_regular_files_are_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="is not a regular file"), atomic_write(pipe):
        pass
    assert stat.S_ISFIFO(pipe.stat().st_mode)
