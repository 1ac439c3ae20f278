"""Releases are withdrawn, promoted and retired, by command line and socket."""

import socket

from client_sim.persona import make_persona
from demo.phones import counter_of, make_demo_phone
from demo.stage import HOST
from fixtures.catalogue import Build
from tests.flows.conftest import CHANNEL
from tests.patience import PATIENCE

BETA = "armani/id/beta"


def edit(stage, *arguments):
    """Sign an edit of the model's role, submit it, and return the server's answer."""
    stage.signer(
        "release",
        *arguments,
        "--repo",
        stage.repo,
        "--keys",
        stage.keys,
        "--out",
        stage.incoming,
    )
    stage.submitted += 1
    stage.wait_for_results(stage.submitted)
    newest = max((stage.server_state / "results").iterdir(), key=lambda file: file.stat().st_mtime)
    return newest.read_text()


def head_of(stage, path):
    """Return the status line for the first block of a package, requested as a phone does."""
    blobs = stage.server_state / "blobs"
    sha256 = path.rpartition("/")[2].partition(".")[0]
    last = (blobs / sha256[:2] / sha256).stat().st_size - 1
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{stage.port}\r\nRange: bytes=0-{last}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stage.port), timeout=PATIENCE) as connection:
        connection.sendall(request.encode())
        return connection.recv(64).split(b"\r\n")[0]


def test_withdraw_promote_and_retire(stage):
    """Phones take the full package while the incremental drains, until the model is retired."""
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    walker = stage.phone("walker")
    assert walker.install() == Build("armani", "id", 1).incremental
    stage.release(2, source=1)
    stage.rollout("offer", "--share", "100%")
    assert walker.poll().offer.type == "incremental"
    step = f"{CHANNEL}/armani-2-incremental.zip"
    assert '"published"' in edit(stage, "withdraw", step, "--drain")
    (shown,) = stage.server("rollout", "show", "--state", stage.server_state, "--json")
    assert shown["state"] == "offered"
    targets = stage.signer("release", "list", "--repo", stage.repo, "--codename", "armani")
    assert [each["path"] for each in targets["models"][0]["releases"] if each["withdrawn"]] == [
        step
    ]
    assert walker.install() == Build("armani", "id", 2).incremental
    assert walker.package == "full"

    counter = str(counter_of(Build("armani", "id", 2)))
    assert '"published"' in edit(stage, "promote", CHANNEL, BETA, "--counter", counter)
    stage.server(
        "rollout", "offer", BETA, "--state", stage.server_state, "--share", "100%",
        "--public-url", f"http://127.0.0.1:{stage.port}", "--json",
    )  # fmt: skip
    tester = make_demo_phone(
        stage, "tester", Build("armani", "id", 1), make_persona(2), channel="beta"
    )
    assert tester.install() == Build("armani", "id", 2).incremental

    assert '"published"' in edit(stage, "retire", "armani")
    for phone in (stage.phone("late"), tester, walker):
        assert "No build has been announced" in phone.poll().reason


def test_withdrawn_package_with_and_without_drain(stage):
    """A download in progress gets 206 during a drain; without a drain it gets 410."""
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    role = stage.repo / "metadata" / "2.armani.json"
    sha256 = role.read_text().partition('"sha256":"')[2][:64]
    path = f"/targets/{CHANNEL}/{sha256}.armani-1-full.zip"
    counter = str(counter_of(Build("armani", "id", 1)))
    assert b"206" in head_of(stage, path)
    assert '"published"' in edit(stage, "withdraw", CHANNEL, "--counter", counter, "--drain")
    stage.rollout("halt")  # returns when the server shows the new snapshot
    assert b"206" in head_of(stage, path)
    assert '"published"' in edit(stage, "withdraw", CHANNEL, "--counter", counter)
    stage.rollout("halt", "--reason", "en=Gone.")
    assert b"410" in head_of(stage, path)
    assert stage.phone("late").poll().offer is None
