"""`gc` says what it removes, or would."""

import json
import os

import pytest

from server.storage.durable import write_durable
from server.storage.local_blobs import LocalBlobs

NAME = "ab" * 32


@pytest.fixture
def state(world):
    """Give a server's state with a blob that nothing names, ten days old."""
    path = LocalBlobs(world.folder.blobs).path(NAME)
    write_durable(path, b"12345")
    then = world.now().timestamp() - 10 * 86_400
    os.utime(path, (then, then))
    return world.folder.root


def test_gc(state, run):
    """First as a dry run, then in earnest, then there is nothing left to do."""
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
