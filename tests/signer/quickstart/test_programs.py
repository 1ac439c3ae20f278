"""Programs are run with the passphrase over a pipe, and their failures are reported."""

import json
import sys
from pathlib import Path

import pytest

from signer.errors import CeremonyError, EnvironmentFailedError
from signer.quickstart import programs
from signer.quickstart.programs import Programs, find_program

SCRIPT = """
import json, os, sys
words = sys.argv[1:]
read = os.read(int(words[-1]), 2000).decode() if "--passphrase-fd" in words else ""
seen = {{"words": words, "environment": dict(os.environ), "read": read, "input": sys.stdin.read()}}
open({out!r}, "w").write(json.dumps(seen))
"""


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Put a program in the place of all, and return what it saw."""
    path, source, out = tmp_path / "program", tmp_path / "program.py", tmp_path / "seen.json"
    source.write_text(SCRIPT.format(out=str(out)))
    # A `#!` line cannot name an interpreter whose path has a space.
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{source}" "$@"\n')
    path.chmod(0o755)
    monkeypatch.setattr(programs, "find_program", lambda _name: str(path))
    return lambda: json.loads(out.read_text())


def test_what_signs_reads_the_passphrase_from_a_pipe(seen):
    """It is neither among the words nor in the environment."""
    Programs(b"canary-4711")("hening-signer", "keys", "new", signs=True)
    saw = seen()
    assert saw.pop("read") == "canary-4711"
    assert saw["words"][:3] == ["keys", "new", "--passphrase-fd"]
    assert "canary" not in json.dumps(saw)


def test_what_does_not_sign_gets_none(seen):
    """Nor can it ask for one: it has no terminal."""
    Programs(b"canary-4711")("hening-server", "init")
    assert "canary" not in json.dumps(seen())
    assert seen()["input"] == ""


def test_no_descriptor_is_left(seen):
    """Of the pipe, after any number of programs."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    Programs(b"x")("hening-signer", signs=True)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert seen()


@pytest.mark.parametrize(
    ("status", "kind"), [(1, CeremonyError), (2, CeremonyError), (3, EnvironmentFailedError)]
)
def test_a_failure_says_what_the_program_said(tmp_path, monkeypatch, status, kind):
    """With the exit status kept; of a longer text its last line."""
    path = tmp_path / "program"
    path.write_text(
        f"#!/bin/sh\necho usage >&2; echo 'hening-server: no disk.' >&2; exit {status}\n"
    )
    path.chmod(0o755)
    monkeypatch.setattr(programs, "find_program", lambda _name: str(path))
    with pytest.raises(kind, match=r"^`hening-server init` failed: no disk\.$"):
        Programs(b"x")("hening-server", "init", "--state", path)


def test_programs_are_those_beside_this_one(monkeypatch):
    """Else what the shell would run, else it is said."""
    assert find_program("hening-server").endswith("/hening-server")
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(EnvironmentFailedError, match="hening-nothing is not installed"):
        find_program("hening-nothing")
