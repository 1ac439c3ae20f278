"""The files of a server: which changed, which a process uses, and what databases contain."""

import mmap
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from client_sim.lab.errors import EnvironmentFailedError
from client_sim.lab.server_side.places import (
    Places,
    check_process,
    find_changed,
    list_files,
    load_chunks,
    load_contents,
    load_states,
)

HOLDER = """
import mmap, sys, os
from pathlib import Path
kept = open(sys.argv[1] + "/log", "ab")
gone = open(sys.argv[1] + "/gone", "wb")
gone.write(b"kept without a name"); gone.flush(); os.unlink(gone.name)
read = open(sys.argv[1] + "/read", "rb")
with open(sys.argv[1] + "/ring", "r+b") as file:
    ring = mmap.mmap(file.fileno(), 0)
print("ready", flush=True)
sys.stdin.read()
"""


def test_changed_files_are_found(tmp_path):
    """Files that grew are searched from their former end, altered and new ones from the start."""
    for name in ("same", "grown", "altered", "shrunk", "away"):
        (tmp_path / name).write_bytes(b"0123456789")
    places = Places((tmp_path,))
    before = load_states(list_files(places))
    (tmp_path / "grown").write_bytes(b"0123456789abc")
    (tmp_path / "altered").write_bytes(b"0123x56789abc")
    (tmp_path / "shrunk").write_bytes(b"0123")
    (tmp_path / "away").unlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/new").write_bytes(b"new")
    (tmp_path / "link").symlink_to("somewhere")
    changed = find_changed(list_files(places), before)
    starts = {name.removeprefix(f"{tmp_path}/"): start for name, (_, start) in changed.items()}
    assert starts == {
        "grown": 10,
        "altered": 0,
        "shrunk": 0,
        "folder/new": 0,
        "link -> somewhere": 0,
    }


def test_places_are_files_and_folders(tmp_path):
    """A place that does not exist is an error."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside").touch()
    (tmp_path / "other").touch()
    files = list_files(Places((tmp_path / "file", tmp_path / "folder")))
    assert sorted(files) == [f"{tmp_path}/file", f"{tmp_path}/folder/inside"]
    with pytest.raises(EnvironmentFailedError, match="does not exist"):
        list_files(Places((tmp_path / "nothing",)))


def test_files_are_read_in_overlapping_chunks(tmp_path):
    """A value at the border of two chunks is contained in one of them."""
    path = tmp_path / "big"
    data = os.urandom(9_000_000)
    path.write_bytes(data)
    chunks = list(load_chunks(path, 5))
    assert all(data[at : at + len(chunk)] == chunk for at, chunk in chunks)
    ends = [at + len(chunk) for at, chunk in chunks]
    assert chunks[0][0] == 5
    assert ends[-1] == len(data)
    assert all(at <= end - 4096 for (at, _), end in zip(chunks[1:], ends, strict=False))


def test_files_that_a_process_maps_or_writes_are_found(tmp_path):
    """Also deleted ones; files that it only reads are left out."""
    for name in ("log", "read"):
        (tmp_path / name).write_bytes(b"a")
    (tmp_path / "ring").write_bytes(bytes(mmap.PAGESIZE))
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        files = list_files(Places(processes=(process.pid,)))
        own = {name for name in files if name.startswith(str(tmp_path))}
        gone = f"{tmp_path}/gone (deleted) open in {process.pid}"
        assert own == {f"{tmp_path}/log", f"{tmp_path}/ring", gone}
        assert files[gone].read_bytes() == b"kept without a name"
        check_process(process.pid)
    assert list_files(Places(processes=(process.pid,))) == {}
    with pytest.raises(EnvironmentFailedError, match=f"no process {process.pid}"):
        check_process(process.pid)


def test_cells_of_a_database_are_read(tmp_path):
    """Also long values, and those that are only in the journal; the file is not changed."""
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute('CREATE TABLE "a ""b" (n INTEGER, said TEXT, kept BLOB)')
        database.execute('INSERT INTO "a ""b" VALUES (2135247942, ?, ?)', ("x" * 9000, b"\0\xff"))
        database.commit()
        before = path.read_bytes()
        for asked in (path, tmp_path / "state.sqlite-wal"):
            ((words, data),) = load_contents(asked)
            assert words == 'table a "b, row 1, columns n, said, kept'
            assert data == b"2135247942\n" + b"x" * 9000 + b"\n\0\xff"
        assert path.read_bytes() == before


def test_other_files_have_no_contents(tmp_path):
    """Truncated, other and missing files; their plain bytes are searched elsewhere."""
    for data in (b"SQLite format 3\0" + bytes(100), b"\x1f\x8b\x08cut", b"BZh", b"text", b""):
        (tmp_path / "file").write_bytes(data)
        assert list(load_contents(tmp_path / "file")) == []
    assert list(load_contents(tmp_path / "nothing")) == []
