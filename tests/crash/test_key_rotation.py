"""New keys after a theft, a switch of keys, and publishing across it, each killed on the way.

A switch is killed at each change of the disk: the planned one at every second change, the one after
a theft at the others. The other actions are killed at every eleventh change: `test_points` kills
them at each change by its name.
"""

import json
import shutil
from dataclasses import dataclass
from datetime import timedelta

import pytest

from server.publisher.keys.choice import describe_keys
from server.publisher.keys.online_keys import HOLDERS, create_online_keys, load_online_keys
from server.publisher.keys.rotation import make_next_keys, switch_keys
from server.publisher.publisher import Publisher
from tests.crash.after import check_folder, check_public_log
from tests.flows.cached_phones import NOTHING, CachedPhone, Edge
from tests.server.log_invariant import check_log
from tests.server.world import FIRST, World


@dataclass(frozen=True)
class Scenario:
    """A server before an action, whether next keys exist afterwards, and if there was a theft."""

    world: World
    action: str
    has_next: bool
    bundle_id: str | None = None
    is_theft: bool = False


SCENARIOS = [
    "planned switch",
    "new keys after a theft",
    "root after a theft",
    "switch after a theft",
]


@pytest.fixture(scope="session", params=SCENARIOS)
def scenario(request, published_state, tmp_path_factory):
    """Prepare a server."""
    world = published_state.copy(tmp_path_factory.mktemp("rotation") / "state")
    world.run(lambda publisher: make_next_keys(publisher, world.folder, HOLDERS))
    if request.param == "new keys after a theft":
        return Scenario(world, "new keys afresh", has_next=True)
    is_theft = request.param != "planned switch"
    bundle_id = world.submit(listing(world, former=not is_theft))
    if request.param == "root after a theft":
        return Scenario(world, "incoming", has_next=True, bundle_id=bundle_id)
    world.run(Publisher.process_incoming)
    assert world.result(bundle_id).reason == ""
    world.ahead = timedelta(seconds=80)
    return Scenario(world, "switch", has_next=False, is_theft=is_theft)


def listing(world, *, former):
    """Sign a root and targets that list the next keys, and optionally the former ones."""
    keys = load_online_keys(world.folder.keys)
    online = {
        role: [*([signer.public_key] if former else []), keys.next_signers[role].public_key]
        for role, signer in keys.signers.items()
    }
    return {
        ("root", 2): world.ceremony.root(2, online, keys.log_keys[-1].verifier),
        ("targets", 2): world.ceremony.targets(2, latest=online["latest"]),
    }


def test_killed_before_changes_of_the_disk(scenario, crash, tmp_path):
    """Phones get a complete tree and a log signed by root's key; a retry completes the action."""
    first, stride = (1 + scenario.is_theft, 2) if scenario.action == "switch" else (1, 11)
    for change in range(first, 500, stride):
        world = scenario.world.copy(tmp_path / "killed")
        ended = crash(world, scenario.action, change=change)
        check_public(world)
        if ended["status"] == 0:
            break
        assert ended["status"] == -9
        finish(scenario, world)
        shutil.rmtree(world.folder.root)
    assert change > 10
    finish(scenario, world)


def check_public(world):
    """Check the properties on which phones and auditors rely at every moment."""
    assert CachedPhone(Edge(world, keeps=NOTHING)).update() == FIRST
    check_public_log(world)


def finish(scenario, world):
    """Repeat the command, and check the folder's invariants."""
    match scenario.action:
        case "new keys afresh":
            world.run(lambda p: make_next_keys(p, world.folder, HOLDERS, afresh=True))
        case "switch":
            world.run(lambda p: switch_keys(p, world.folder, HOLDERS, world.now))
        case _:
            world.run(Publisher.repair)
            world.run(Publisher.process_incoming)
            assert world.result(scenario.bundle_id).reason == ""
    check_public(world)
    keys = load_online_keys(world.folder.keys)
    assert len(keys.next_signers) == (3 if scenario.has_next else 0)
    check_folder(world)
    for path in world.folder.keys.glob("*.pem"):
        assert path.stat().st_mode & 0o777 == 0o600
    for key in keys.log_keys:
        assert check_log(world.folder, key.verifier.public)
    public = (world.folder.keys / "public.json").read_bytes()
    assert create_online_keys(world.folder.keys) == public
    # The public files are signed by exactly the expected keys.
    published = world.published()
    versions = {"snapshot": published.snapshot.version, "latest": published.roles["latest"].version}
    for state in describe_keys(keys, published):
        assert state.signing
        if state.name != "log":
            version = versions.get(state.name)
            name = "timestamp.json" if version is None else f"{version}.{state.name}.json"
            data = json.loads((world.folder.public / "metadata" / name).read_bytes())
            assert tuple(s["keyid"] for s in data["signatures"]) == state.signing
