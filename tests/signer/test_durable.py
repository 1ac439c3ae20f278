import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from signer.durable import make_temporary_folder, move_folder, replace_file, write_new, write_once
from signer.errors import EnvironmentFailedError


@pytest.fixture
def ended() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_write_new_does_not_replace(tmp_path) -> None:
    """A file that another process created meanwhile stays unchanged."""
    (tmp_path / "name").write_bytes(b"first")
    with pytest.raises(FileExistsError) as caught:
        write_new(tmp_path / "name", b"second")
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "name"), None)
    assert (tmp_path / "name").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_write_once(tmp_path) -> None:
    """Writing the same bytes again is allowed; other bytes and non-files are refused."""
    write_once(tmp_path / "name", b"content")
    write_once(tmp_path / "name", b"content")
    for data in (b"content and more", b"conten", b"CONTENT"):
        with pytest.raises(
            EnvironmentFailedError, match=r"name already exists with other content;"
        ):
            write_once(tmp_path / "name", data)
    assert (tmp_path / "name").read_bytes() == b"content"
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("folder", "pipe", "link"):
        with pytest.raises(EnvironmentFailedError, match=f"{name} already exists"):
            write_once(tmp_path / name, b"content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "name", "pipe"]


def test_write_without_hard_links(tmp_path, monkeypatch) -> None:
    """A file system without hard links works, and nothing is replaced there either."""

    def refuse(path, target):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(target), None, str(path))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_once(tmp_path / "name", b"content")
    assert (tmp_path / "name").read_bytes() == b"content"
    with pytest.raises(FileExistsError) as caught:
        write_new(tmp_path / "name", b"second")
    assert caught.value.filename == str(tmp_path / "name")
    with pytest.raises(EnvironmentFailedError, match="other content"):
        write_once(tmp_path / "name", b"second")
    assert (tmp_path / "name").read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_replace_file(tmp_path) -> None:
    """The new file has the given mode, and no temporary file is left."""
    (tmp_path / "name").write_bytes(b"first")
    (tmp_path / "name").chmod(0o666)
    replace_file(tmp_path / "name", b"second", mode=0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
    assert (tmp_path / "name").read_bytes() == b"second"
    assert (tmp_path / "name").stat().st_mode & 0o777 == 0o600


def test_leftover_of_a_crash_is_removed(tmp_path, ended) -> None:
    """The next write of the same name removes it, be it a file or a folder."""
    for write in (write_new, replace_file, lambda path, _data: make_temporary_folder(path)):
        (tmp_path / f".tmp-name.{ended}").write_bytes(b"half")
        (tmp_path / f".tmp-name.{'9' * 30}").mkdir()
        (tmp_path / f".tmp-name.{'9' * 30}" / "inner").mkdir()
        write(tmp_path / "name", b"content")
        assert [path.name for path in tmp_path.glob(".tmp-*") if path.is_file()] == []
        assert not (tmp_path / f".tmp-name.{'9' * 30}").exists()
        (tmp_path / "name").unlink(missing_ok=True)


def test_temporary_files_of_others_are_kept(tmp_path) -> None:
    """Temporary names of running processes and of other files are not touched."""
    others = [f".tmp-name.{os.getppid()}", ".tmp-name.1", f".tmp-name.pub.{os.getpid()}"]
    others += [".tmp-name.copy", ".tmp-name", f".tmp-nam[e].{os.getppid()}"]
    for name in others:
        (tmp_path / name).write_bytes(b"half")
    write_new(tmp_path / "name", b"content")
    replace_file(tmp_path / "name", b"content")
    write_new(tmp_path / "nam[e]", b"content")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["nam[e]", "name", *others])


WRITER = """
import os, sys
from pathlib import Path
from signer.durable import make_temporary_folder, move_folder, write_new
path, kind, content = Path(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
real = os.fsync
def wait(descriptor):  # after the bytes are written and before the rename
    os.fsync = real
    real(descriptor)
    print("ready", flush=True)
    sys.stdin.readline()
os.fsync = wait
try:
    if kind == "file":
        write_new(path, content)
    else:
        temporary = make_temporary_folder(path)
        (temporary / "file").write_bytes(content)
        move_folder(temporary, path)
except OSError as error:
    print(type(error).__name__)
else:
    print("written")
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_two_concurrent_writers(tmp_path, kind) -> None:
    """The first writer's bytes are complete, and the second writer is refused."""
    path = tmp_path / "name"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, path, kind, content],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for content in ("first", "second")
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    outputs = [writer.communicate("\n")[0].strip() for writer in writers]
    assert outputs == ["written", "FileExistsError" if kind == "file" else "OSError"]
    assert (path if kind == "file" else path / "file").read_bytes() == b"first"


def test_content_is_flushed_before_rename(tmp_path, monkeypatch) -> None:
    """The bytes are on the disk before the name is, and the folder is flushed last."""
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
    assert steps == [f".tmp-name.{os.getpid()}", "link", tmp_path.name]


def test_move_folder(tmp_path) -> None:
    """A prepared folder gets its name in one step, without files of an earlier attempt."""
    left = make_temporary_folder(tmp_path / "name")
    (left / "half").write_bytes(b"half")
    temporary = make_temporary_folder(tmp_path / "name")
    assert (temporary, [*left.iterdir()]) == (left, [])
    (temporary / "file").write_bytes(b"first")
    move_folder(temporary, tmp_path / "name")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
    with pytest.raises(OSError, match="not empty"):
        move_folder(make_temporary_folder(tmp_path / "name"), tmp_path / "name")
    assert (tmp_path / "name" / "file").read_bytes() == b"first"
