"""`rebuild`: what it restores, what it cannot, and how other commands refer to it."""

import json
import os

import pytest

from server.storage.durable import write_durable
from server.storage.local_blobs import LocalBlobs
from tests.server.cli.test_commands import check_sentence


@pytest.fixture
def lost(world):
    """Give a server whose database is lost."""
    for path in world.folder.root.glob("hening.sqlite*"):
        path.unlink()
    return world


def test_the_way_back(run, lost):
    """Commands name `rebuild`; after it `check` has no findings."""
    state = lost.folder.root
    for words in (["check"], ["migrate"], ["rollout", "halt", "armani/id/stable"]):
        status, _, err = run(*words, "--state", state)
        assert status == 3
        check_sentence(err)
        assert "is gone: restore it, or run `hening-server rebuild`" in err
    assert not lost.folder.sqlite.exists()
    status, out, err = run("rebuild", "--state", state, "--json")
    assert (status, err) == (0, "")
    added = {"leaves": 9, "blobs": 1, "submissions": 2}
    nothing = {"cancelled": 0, "revoked": 0, "sessions": 0, "damaged": []}
    assert json.loads(out) == {**added, **nothing}
    status, out, _ = run("check", "--state", state, "--deep", "--json")
    assert (status, [row for row in json.loads(out) if row["error"]]) == (0, [])
    status, out, _ = run("rebuild", "--state", state)
    assert (status, out) == (0, "0 leaves of the log, 0 blobs and 0 submissions were added.\n")
    status, out, _ = run("audit-log", "list", "--state", state, "--json")
    told = [entry for entry in json.loads(out) if entry["action"] == "server.rebuild"]
    assert added in [entry["detail"] for entry in told]


def test_damaged_blobs(run, lost):
    """Damaged blobs are reported with exit status 1; everything else is restored."""
    (blob,) = LocalBlobs(lost.folder.blobs).list()
    LocalBlobs(lost.folder.blobs).path(blob.sha256).write_bytes(bytes(blob.length))
    status, out, err = run("rebuild", "--state", lost.folder.root)
    assert status == 1
    assert "9 leaves of the log, 0 blobs" in out
    check_sentence(err)
    assert blob.sha256[:16] in err


def test_nothing_to_rebuild(run, tmp_path):
    """A folder that is no state is not made into one."""
    status, _, err = run("rebuild", "--state", tmp_path / "none")
    assert status == 3
    check_sentence(err)
    assert not (tmp_path / "none").exists()


NAME = "ab" * 32


@pytest.fixture
def state(world):
    """Give a server's state with an unreferenced blob, ten days old."""
    path = LocalBlobs(world.folder.blobs).path(NAME)
    write_durable(path, b"12345")
    then = world.now().timestamp() - 10 * 86_400
    os.utime(path, (then, then))
    return world.folder.root


def test_gc(state, run):
    """First as a dry run, then for real, then there is nothing left to do."""
    expected = {"named": 1, "young": 0, "octets": 5, "removed": [{"length": 5, "sha256": NAME}]}
    status, out, err = run("gc", "--state", state, "--dry-run", "--json")
    assert (status, err, json.loads(out)) == (0, "", expected | {"dry_run": True})
    status, out, _ = run("gc", "--state", state, "--grace", "11d")
    assert (status, out) == (0, "0 blobs removed (0 bytes); 1 are named, 1 are too young.\n")
    status, out, _ = run("gc", "--state", state, "--grace", "9d", "--dry-run")
    tail = "1 blobs would be removed (5 bytes); 1 are named, 0 are too young.\n"
    assert (status, out) == (0, f"{NAME}  5\n{tail}")
    status, out, _ = run("gc", "--state", state, "--json")
    assert (status, json.loads(out)) == (0, expected | {"dry_run": False})
    assert json.loads(run("gc", "--state", state, "--json")[1])["removed"] == []
    assert run("check", "--state", state, "--deep", "--json")[0] == 0


@pytest.mark.parametrize("grace", ["7", "d", "-1d", "1w", "123456d", "1d "])
def test_a_grace_that_is_none(state, run, grace):
    """A malformed time is a usage error."""
    status, out, err = run("gc", "--state", state, f"--grace={grace}")
    assert (status, out) == (2, "")
    assert "such as 7d" in err
