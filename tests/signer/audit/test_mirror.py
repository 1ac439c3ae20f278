import os

import pytest

from signer.audit.errors import AnswerError, MirrorAwayError
from signer.audit.mirror import FolderMirror


def test_a_file_is_read_as_it_is(tmp_path):
    """Up to its limit, and not an octet more."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "checkpoint").write_bytes(b"12345")
    mirror = FolderMirror(tmp_path)
    assert mirror.fetch("/log/checkpoint", 5) == b"12345"
    with pytest.raises(AnswerError, match="/log/checkpoint is longer than the 4 octets"):
        mirror.fetch("/log/checkpoint", 4)


def test_what_is_no_file_is_not_there(tmp_path):
    """Nothing, a folder, a path below a file, and a pipe, which nobody waits for."""
    (tmp_path / "metadata").mkdir()
    (tmp_path / "log").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    mirror = FolderMirror(tmp_path)
    for path in ("/nothing", "/metadata", "/log/checkpoint", "/pipe"):
        assert mirror.fetch(path, 10) is None


def test_a_folder_that_is_not_there(tmp_path):
    """The surroundings failed, which is no finding."""
    with pytest.raises(MirrorAwayError, match="is not there; name a public folder"):
        FolderMirror(tmp_path / "public")


def test_a_file_that_may_not_be_read_is_no_missing_file(tmp_path, monkeypatch):
    """The disk's error passes: whether the file is there is not known."""
    (tmp_path / "file").write_bytes(b"")

    def refuse(*_arguments, **_options):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(PermissionError):
        FolderMirror(tmp_path).fetch("/file", 10)
