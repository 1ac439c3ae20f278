"""Releases are withdrawn, promoted and retired, by command line and socket."""

import socket

from client_sim.persona import make_persona
from demo.phones import counter_of, make_demo_phone
from demo.stage import HOST
from fixtures.catalogue import Build
from tests.flows.conftest import CHANNEL
from tests.patience import PATIENCE

BETA = "armani/id/beta"


def edit(town, *arguments):
    """Sign an edit of the model's role, submit it, and return the server's answer."""
    town.signer(
        "release", *arguments, "--repo", town.repo, "--keys", town.keys, "--out", town.incoming
    )
    town.submitted += 1
    town.wait_for_results(town.submitted)
    newest = max((town.server_state / "results").iterdir(), key=lambda file: file.stat().st_mtime)
    return newest.read_text()


def head_of(town, path):
    """Return the status line for the first block of a package, requested as a phone does."""
    blobs = town.server_state / "blobs"
    sha256 = path.rpartition("/")[2].partition(".")[0]
    last = (blobs / sha256[:2] / sha256).stat().st_size - 1
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{town.port}\r\nRange: bytes=0-{last}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", town.port), timeout=PATIENCE) as connection:
        connection.sendall(request.encode())
        return connection.recv(64).split(b"\r\n")[0]


def test_withdraw_promote_and_retire(town):
    """Phones take the full package while the incremental drains, until the model is retired."""
    town.release(1)
    town.rollout("offer", "--share", "100%")
    walker = town.phone("walker")
    assert walker.install() == Build("armani", "id", 1).incremental
    town.release(2, source=1)
    town.rollout("offer", "--share", "100%")
    assert walker.poll().offer.type == "incremental"
    step = f"{CHANNEL}/armani-2-incremental.zip"
    assert '"published"' in edit(town, "withdraw", step, "--drain")
    (shown,) = town.server("rollout", "show", "--state", town.server_state, "--json")
    assert shown["state"] == "offered"
    targets = town.signer("release", "list", "--repo", town.repo, "--codename", "armani")
    assert [each["path"] for each in targets["models"][0]["releases"] if each["withdrawn"]] == [
        step
    ]
    assert walker.install() == Build("armani", "id", 2).incremental
    assert walker.package == "full"

    counter = str(counter_of(Build("armani", "id", 2)))
    assert '"published"' in edit(town, "promote", CHANNEL, BETA, "--counter", counter)
    town.server(
        "rollout", "offer", BETA, "--state", town.server_state, "--share", "100%",
        "--public-url", f"http://127.0.0.1:{town.port}", "--json",
    )  # fmt: skip
    tester = make_demo_phone(
        town, "tester", Build("armani", "id", 1), make_persona(2), channel="beta"
    )
    assert tester.install() == Build("armani", "id", 2).incremental

    assert '"published"' in edit(town, "retire", "armani")
    for phone in (town.phone("late"), tester, walker):
        assert "No build has been announced" in phone.poll().reason


def test_withdrawn_package_with_and_without_drain(town):
    """A download in progress gets 206 during a drain; without a drain it gets 410."""
    town.release(1)
    town.rollout("offer", "--share", "100%")
    role = town.repo / "metadata" / "2.armani.json"
    sha256 = role.read_text().partition('"sha256":"')[2][:64]
    path = f"/targets/{CHANNEL}/{sha256}.armani-1-full.zip"
    counter = str(counter_of(Build("armani", "id", 1)))
    assert b"206" in head_of(town, path)
    assert '"published"' in edit(town, "withdraw", CHANNEL, "--counter", counter, "--drain")
    town.rollout("halt")  # returns when the server shows the new snapshot
    assert b"206" in head_of(town, path)
    assert '"published"' in edit(town, "withdraw", CHANNEL, "--counter", counter)
    town.rollout("halt", "--reason", "en=Gone.")
    assert b"410" in head_of(town, path)
    assert town.phone("late").poll().offer is None
