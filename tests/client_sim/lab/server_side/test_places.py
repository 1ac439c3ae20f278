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


def test_what_changed_is_what_is_searched(tmp_path):
    """A file that grew from its former end, one that was altered from its start, new ones.

    A file may be named as well as a folder. There is no verdict on what is not there.
    """
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
    files = list_files(Places((tmp_path / "grown", tmp_path / "folder")))
    assert sorted(files) == [f"{tmp_path}/folder/new", f"{tmp_path}/grown"]
    with pytest.raises(EnvironmentFailedError, match="does not exist"):
        list_files(Places((tmp_path / "nothing",)))


def test_files_are_read_in_chunks_that_overlap(tmp_path):
    """So that no value lies across; together they are the file."""
    path = tmp_path / "big"
    data = os.urandom(9_000_000)
    path.write_bytes(data)
    chunks = list(load_chunks(path, 5))
    assert all(data[at : at + len(chunk)] == chunk for at, chunk in chunks)
    ends = [at + len(chunk) for at, chunk in chunks]
    assert chunks[0][0] == 5
    assert ends[-1] == len(data)
    assert all(at <= end - 4096 for (at, _), end in zip(chunks[1:], ends, strict=False))


def test_what_a_process_maps_or_writes_is_found(tmp_path):
    """With a name or without; what it only reads is none of it."""
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


def test_a_database_is_read_cell_by_cell(tmp_path):
    """A value over several pages, and one that is in the journal alone; the file is not touched.

    Cut off, of another format, gone: bytes as they are were searched before.
    """
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
    for data in (b"SQLite format 3\0" + bytes(100), b"\x1f\x8b\x08cut", b"BZh", b"text", b""):
        (tmp_path / "file").write_bytes(data)
        assert list(load_contents(tmp_path / "file")) == []
    assert list(load_contents(tmp_path / "nothing")) == []
