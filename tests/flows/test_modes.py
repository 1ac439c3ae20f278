"""A server's files are private to its user from their creation, under any umask."""

import os
import shutil
import stat

import pytest

from demo.phones import CERTIFICATE
from fixtures.build import build_zip
from fixtures.catalogue import Build
from tests.flows.test_ceremony_over_the_api import ApiStage
from tests.program_runner import Programs

RECORDER = '''
"""Begins every process of the test: sets its umask, and records what it creates."""

import os, sys, threading

def set_umask():
    with open(os.environ["TRIED_UMASK"]) as file:
        os.umask(int(file.read(), 8))

if "tests.forked" in sys.orig_argv:
    os.register_at_fork(after_in_child=set_umask)
    open_really, asked = os.open, threading.local()
    log = os.open(os.environ["TRIED_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def ask(path, flags, mode=0o777, **more):
        asked.mode = mode
        try:
            return open_really(path, flags, mode, **more)
        finally:
            asked.mode = 0o666

    def record(event, words):
        if event == "open" and words[2] & os.O_CREAT:
            mode = getattr(asked, "mode", 0o666)  # what the built-in `open` creates
        elif event == "sqlite3.connect":
            mode = 0o644  # what SQLite creates
        elif event == "os.mkdir":
            mode = words[1]
        else:
            return
        if not isinstance(words[0], int) and not os.path.lexists(words[0]):
            os.write(log, f"{mode:04o} {os.path.abspath(os.fsdecode(words[0]))}\\n".encode())

    os.open = ask
    sys.addaudithook(record)
'''
MADE = {
    *("server/new", "server/new/keys", "server/new/keys/.tmp-log.pem", "server/new/incoming"),
    *("server/new/hening.sqlite", "server/publisher.lock"),
    *("server/uploads", "server/incoming/.tmp-api-", "server/results/.tmp-", "server/blobs/"),
    *("server/staging/.tmp-publication-", "server/public/metadata/.tmp-2.armani.json"),
    *("server/public/log/tile/0/000.p", "server/public/log/proof/.tmp-armani.2"),
    *("backup", "backup/.tmp-INCOMPLETE", "backup/.tmp-hening.sqlite", "backup/blobs/"),
    *("backup/public/metadata/.tmp-2.armani.json", "backup/.tmp-settings.toml"),
}
"""The beginnings of the names of some of the server's files and folders."""


def modes(folder):
    """Return the set of modes of folders, and the set of modes of files, in a folder."""
    found = {True: set(), False: set()}
    for path in (folder, *folder.rglob("*")):
        found[path.is_dir()].add(stat.S_IMODE(path.lstat().st_mode))
    return found[True], found[False]


@pytest.fixture
def recorded(tmp_path):
    """Yield programs that read their umask from one file and record what they create in another."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(RECORDER)
    umask, log = folder / "umask", folder / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("TRIED_UMASK", str(umask))
        patch.setenv("TRIED_LOG", str(log))
        programs = Programs()
    try:
        yield programs, umask, log
    finally:
        programs.close()


@pytest.fixture
def stage(ceremony, tmp_path, recorded):
    """Yield a stage whose processes have the umask 000."""
    programs, umask, log = recorded
    umask.write_text("000")
    log.write_text("")
    stage = ApiStage(tmp_path / "stage", programs)
    shutil.copytree(ceremony, stage.folder)
    try:
        yield stage
    finally:
        stage.stop_server()


def release_over_the_api(stage):
    """Sign a release, and submit it and its package over the API."""
    package, outgoing = stage.packages / "armani-1-full.zip", stage.folder / "outgoing"
    package.write_bytes(build_zip(Build("armani", "id", 1)))
    outgoing.mkdir()
    stage.signer(
        *("release", "sign", "--repo", stage.repo, "--keys", stage.keys, "--region", "id"),
        *("--channel", "stable", "--certificate", CERTIFICATE, "--out", outgoing, package),
    )
    stage.signer("release", "submit", *stage.place, *outgoing.iterdir())


def test_file_modes(stage, recorded):
    """`init`, `run`, an upload, a submission, a rollout and a backup use 0700 and 0600 only.

    A mirror is public: 0755 and 0644, whatever the umask.
    """
    state, backup = stage.server_state, stage.folder / "backup"
    (state / "settings.toml").write_text("")
    (state / "settings.toml").chmod(0o600)
    stage.server("init", "--state", state / "new")
    stage.open()
    release_over_the_api(stage)
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.glob("hening.sqlite-*")} == {0o600}
    stage.server("rollout", "offer", "armani/id/stable", "--state", state, "--share", "1%")
    stage.server("backup", "--state", state, "--out", backup)
    _, umask, log = recorded
    for name in ("000", "077"):
        umask.write_text(name)
        stage.server("export", "--state", state, "--out", stage.folder / f"mirror-{name}")
    stage.stop_server()
    created = [line.split(" ", 1) for line in log.read_text().splitlines()]
    ours = {
        os.path.relpath(path, stage.folder): int(mode, 8)
        for mode, path in created
        if path.startswith((f"{state}/", f"{backup}/")) or path == str(backup)
    }
    assert {name: oct(mode) for name, mode in ours.items() if mode & 0o077} == {}
    assert [start for start in MADE if not any(name.startswith(start) for name in ours)] == []
    assert modes(state) == ({0o700}, {0o600})
    assert modes(backup) == ({0o700}, {0o600})
    for name in ("000", "077"):
        assert modes(stage.folder / f"mirror-{name}") == ({0o755}, {0o644})
