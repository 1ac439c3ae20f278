import os
from pathlib import Path

import pytest

from signer.durable import make_temporary_folder, move_folder, replace_file, write_new


def test_a_file_appears_whole_and_alone(tmp_path) -> None:
    """After a write there is the file, and nothing beside it."""
    write_new(tmp_path / "name", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
    assert (tmp_path / "name").read_bytes() == b"content"


def test_a_file_is_never_replaced(tmp_path) -> None:
    """A file that appeared meanwhile stays as it is."""
    (tmp_path / "name").write_bytes(b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "name", b"second")
    assert (tmp_path / "name").read_bytes() == b"first"


def test_a_file_is_replaced_where_that_is_meant(tmp_path) -> None:
    """The new file is narrow whatever the old one was, and nothing stands beside it."""
    (tmp_path / "name").write_bytes(b"first")
    (tmp_path / "name").chmod(0o666)
    (tmp_path / ".tmp-name").write_bytes(b"half")
    replace_file(tmp_path / "name", b"second", mode=0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
    assert (tmp_path / "name").read_bytes() == b"second"
    assert (tmp_path / "name").stat().st_mode & 0o777 == 0o600


def test_what_a_crash_left_is_replaced(tmp_path) -> None:
    """A leftover does not stand in the way of the next attempt."""
    (tmp_path / ".tmp-name").write_bytes(b"half")
    write_new(tmp_path / "name", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_the_content_is_flushed_before_it_has_its_name(tmp_path, monkeypatch) -> None:
    """A power cut after the name was given finds the octets on the disk, and the name too."""
    steps = []
    fsync, hardlink = os.fsync, Path.hardlink_to

    def spy_fsync(descriptor):
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def spy_link(path, target):
        steps.append("link")
        hardlink(path, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "hardlink_to", spy_link)
    write_new(tmp_path / "name", b"content")
    assert steps == [".tmp-name", "link", tmp_path.name]


def test_a_folder_moves_whole(tmp_path) -> None:
    """A prepared folder gets its name in one step."""
    temporary = make_temporary_folder(tmp_path / "name")
    (temporary / "inner").mkdir()
    (temporary / "inner" / "file").write_bytes(b"content")
    move_folder(temporary, tmp_path / "name")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
    assert (tmp_path / "name" / "inner" / "file").read_bytes() == b"content"


def test_a_folder_with_content_is_never_replaced(tmp_path) -> None:
    """A folder that is there stays as it is."""
    (tmp_path / "name").mkdir()
    (tmp_path / "name" / "file").write_bytes(b"first")
    temporary = make_temporary_folder(tmp_path / "name")
    with pytest.raises(OSError, match="not empty"):
        move_folder(temporary, tmp_path / "name")
    assert (tmp_path / "name" / "file").read_bytes() == b"first"


def test_a_folder_that_a_crash_left_is_emptied(tmp_path) -> None:
    """The next attempt starts with nothing of the last one."""
    left = make_temporary_folder(tmp_path / "name")
    (left / "half").write_bytes(b"half")
    assert make_temporary_folder(tmp_path / "name") == left
    assert not list(left.iterdir())
