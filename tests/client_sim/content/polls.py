"""Polls of a phone for packs that a simulated repository publishes."""

from client_sim.content.kinds import KINDS
from client_sim.content.store import Store
from client_sim.device.client import PollingClient
from tests.client_sim.content.packs import put_pack

POLL = ["/metadata/2.root.json", "/metadata/timestamp.json"]
ID = {"ID": {"exact": True, "numbers": ["112"]}}
MORE = {**ID, "DE": {"exact": False, "numbers": ["110", "112"]}}


def poll(world):
    """Poll and return the outcome; the decision about updates must not fail."""
    world.sent.clear()
    outcome = PollingClient(world).poll()
    assert outcome.failure is None
    return outcome


def used(world, kind="emergency"):
    """Return the version in use and its entries."""
    pack, entries = Store(world.state).load_used(KINDS[kind])
    return pack.version, entries


def publish(repository, kind="emergency", entries=ID, version=1, **changes):
    """Publish a pack; return the paths of its parts."""
    paths = put_pack(repository, kind, entries, version, **changes)
    repository.publish(KINDS[kind].role)
    return paths


def damage(world, path):
    """Change a stored part."""
    world.state["part." + path.rpartition("/")[2].split(".")[0]] += b"x"
