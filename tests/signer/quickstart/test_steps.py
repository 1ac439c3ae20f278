"""A quickstart makes everything, also after an interruption at any step."""

import json
import stat
import sys
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata

from server.places import Places
from signer.errors import CeremonyError, EnvironmentFailedError, Interrupted
from signer.quickstart import steps
from signer.quickstart.layout import Layout, load_unfinished, record_begin
from signer.quickstart.steps import find_program, make_all, make_runner
from signer.release.policy import TeamPolicy, load_policy

SCRIPT = """
import json, os, sys
words = sys.argv[1:]
read = os.read(int(words[-1]), 2000).decode() if "--passphrase-fd" in words else ""
seen = {{"words": words, "environment": dict(os.environ), "read": read, "input": sys.stdin.read()}}
open({out!r}, "w").write(json.dumps(seen))
"""


@pytest.fixture
def layout(tmp_path):
    """Return the folders of a quickstart that has begun."""
    made = Layout(tmp_path / "rom", tmp_path / "second", "armani")
    record_begin(made)
    return made


@pytest.fixture(autouse=True)
def server_time(now, monkeypatch):
    """Let the server use the tests' time."""
    monkeypatch.setattr("server.cli.state.now", lambda: now)


def test_make_all(layout, in_process) -> None:
    """Thresholds are 1, and both root keys sign, in two folders; settings and policy are there."""
    make_all(layout, "rom.example/log", in_process(), lambda _sentence: None)
    root = Metadata.from_file(str(layout.repo / "metadata" / "1.root.json"))
    targets = Metadata.from_file(str(layout.repo / "metadata" / "1.targets.json"))
    assert (root.signed.roles["root"].threshold, len(root.signed.roles["root"].keyids)) == (1, 2)
    assert len(root.signatures) == 2
    assert root.signed.roles["targets"].threshold == 1
    held = {name: role.threshold for name, role in targets.signed.delegations.roles.items()}
    assert held == {"armani": 1, "tables": 1, "content": 1, "latest": 1}
    trusted = layout.server / "trusted" / "root.json"
    assert trusted.read_bytes() == (layout.repo / "metadata" / "1.root.json").read_bytes()
    assert (layout.server / "keys" / "log-origin").read_text().strip() == "rom.example/log"
    assert len(list((layout.server / "incoming").iterdir())) == 1
    for folder in (layout.keys, layout.second, layout.out):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.stem for path in layout.keys.glob("*.key")) == sorted(layout.key_names)
    assert [path.stem for path in layout.second.glob("*.key")] == ["root-2"]
    assert list(layout.server.rglob("*.key")) == []
    places = Places({}, layout.out, layout.out.stat().st_uid)
    assert [(layout.out / places.find(name).path) for name in ("state", "repo", "keys")] == [
        layout.server,
        layout.repo,
        layout.keys,
    ]
    assert load_policy(layout.repo) == TeamPolicy(require_proof=True)


def test_interruption_at_each_step(layout, in_process):
    """Runs that are interrupted one program later each time end with one set of keys."""
    steps, keys = 0, {}
    while True:
        runner = in_process(steps)
        try:
            make_all(layout, None, runner, lambda _sentence: None)
            break
        except Interrupted:
            assert load_unfinished(layout.out) == layout
            for path in [*layout.keys.glob("*.pub"), *layout.second.glob("*.pub")]:
                assert keys.setdefault(path, path.read_bytes()) == path.read_bytes()
        steps += 1
    assert steps > 3
    assert load_unfinished(layout.out) is None
    assert layout.settings.exists()
    assert len(list((layout.server / "incoming").iterdir())) == 1


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Replace all programs by one, and return a function that returns what it saw."""
    path, source, out = tmp_path / "program", tmp_path / "program.py", tmp_path / "seen.json"
    source.write_text(SCRIPT.format(out=str(out)))
    # A `#!` line cannot name an interpreter whose path has a space.
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{source}" "$@"\n')
    path.chmod(0o755)
    monkeypatch.setattr(steps, "find_program", lambda _name: str(path))
    return lambda: json.loads(out.read_text())


def test_passphrase_is_passed_through_a_pipe(seen) -> None:
    """It is in neither arguments nor environment; other programs do not get it."""
    make_runner(b"canary-4711")("hening-signer", "keys", "new", signs=True)
    saw = seen()
    assert saw.pop("read") == "canary-4711"
    assert saw["words"][:3] == ["keys", "new", "--passphrase-fd"]
    assert "canary" not in json.dumps(saw)
    make_runner(b"canary-4711")("hening-server", "init")
    assert "canary" not in json.dumps(seen())
    assert seen()["input"] == ""
    before = len(list(Path("/proc/self/fd").iterdir()))
    make_runner(b"x")("hening-signer", signs=True)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert seen()


def test_failure_repeats_message_of_program(tmp_path, monkeypatch):
    """The kind of error follows the exit status; of a longer text the last line is shown."""
    path = tmp_path / "program"
    monkeypatch.setattr(steps, "find_program", lambda _name: str(path))
    for status, kind in ((1, CeremonyError), (2, CeremonyError), (3, EnvironmentFailedError)):
        commands = "echo usage >&2; echo 'hening-server: no disk.' >&2"
        path.write_text(f"#!/bin/sh\n{commands}; exit {status}\n")
        path.chmod(0o755)
        with pytest.raises(kind, match=r"^`hening-server init` failed: no disk\.$"):
            make_runner(b"x")("hening-server", "init", "--state", path)


def test_find_program(monkeypatch):
    """Programs beside this one are used, then those in PATH; a missing one is named."""
    assert find_program("hening-server").endswith("/hening-server")
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(EnvironmentFailedError, match="hening-nothing is not installed"):
        find_program("hening-nothing")
