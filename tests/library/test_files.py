"""What is written is written whole or not at all."""

import errno
import os
import stat

import pytest

from likelab import files
from likelab.errors import DataError


def test_text_and_bytes_come_back(tmp_path):
    files.write(tmp_path / "a.txt", "ü\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == "ü\nb\n".encode()
    files.write(tmp_path / "a.txt", b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, step):
    path = tmp_path / "chapter.ipynb"
    path.write_text("before")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(DataError, match=r"chapter\.ipynb.*No space left on device"):
        files.write(path, "after")
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["chapter.ipynb"]


def test_a_kill_in_the_middle_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "card.json"
    path.write_text("before")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, "after")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["card.json"]


@pytest.mark.skipif(os.name == "nt", reason="rights are others there")
def test_rights_are_kept_and_links_followed(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    files.write(link, "after")
    assert link.is_symlink() and real.read_text() == "after" and stat.S_IMODE(real.stat().st_mode) == 0o640
    mask = os.umask(0o022)
    try:
        files.write(tmp_path / "new", "")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o644


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.*No such file"):
        files.write(tmp_path / "nowhere" / "a", "")
