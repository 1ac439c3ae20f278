"""A publisher is killed with SIGKILL after each step, and before every eleventh change of the disk.

It is killed in a submission and in a publication of its own, which begin at different steps.
`test_points` kills it at each change by its name, in other submissions and in rollouts.
"""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import pytest

from server.publisher.publisher import Publisher
from tests.crash.after import check_folder, check_public_log
from tests.server.world import CHANNEL, FIRST, World, refresh_from_disk


@dataclass(frozen=True)
class Scenario:
    """A server before an action, and its public state before and after it."""

    world: World
    action: str
    bundle_id: str | None
    old: tuple
    new: tuple


SCENARIOS = [
    "first submission",
    "new root",
    "renewal",
    "full renewal",
]


@pytest.fixture(scope="session", params=SCENARIOS)
def scenario(request, fresh_state, published_state, crash, tmp_path_factory):
    """Prepare a server, and run a copy of it to the end."""
    folder = tmp_path_factory.mktemp("scenario")
    base = fresh_state if request.param == "first submission" else published_state
    world, action, bundle_id = base.copy(folder / "state"), "incoming", None
    match request.param:
        case "first submission":
            bundle_id = world.submit(world.first_roles())
        case "new root":
            bundle_id = world.submit({("root", 2): world.ceremony.root(2)})
        case "renewal":
            world.ahead, action = timedelta(hours=2), "refresh"
        case "full renewal":
            world.ahead, action = timedelta(days=4), "refresh"
    copy = world.copy(folder / "outcome")
    assert crash(copy, action)["status"] == 0
    return Scenario(world, action, bundle_id, public_state(world), public_state(copy))


@pytest.mark.parametrize("scenario", ["first submission", "renewal"], indirect=True)
@pytest.mark.parametrize("step", range(1, 8))
def test_killed_after_a_step(scenario, step, crash, tmp_path):
    """The old or the new state is public after each step; a restart completes the publication."""
    world = scenario.world.copy(tmp_path / "killed")
    ended = crash(world, scenario.action, step=step)
    # Steps 1 and 2 belong to a submission; publications of the server itself begin with step 3.
    killed = scenario.action == "incoming" or step >= 3
    assert ended["status"] == (-9 if killed else 0)
    assert public_state(world) == (scenario.new if step >= 6 or not killed else scenario.old)
    completed = scenario.new[1] if 3 <= step <= 6 else None
    assert world.run(Publisher.repair) == completed
    finish(scenario, world)


def test_killed_before_changes_of_the_disk(scenario, crash, tmp_path):
    """Wherever the process dies, the public state verifies and is exactly the old or the new."""
    seen = []
    for change in range(1, 500, 11):
        world = scenario.world.copy(tmp_path / "killed")
        ended = crash(world, scenario.action, change=change)
        seen.append(public_state(world))
        assert seen[-1] in {scenario.old, scenario.new}, ended["points"][-1]
        if ended["status"] == 0:
            break
        world.run(Publisher.repair)
        assert public_state(world) in {scenario.old, scenario.new}
        finish(scenario, world)
        shutil.rmtree(world.folder.root)
    assert (seen[0], seen[-1]) == (scenario.old, scenario.new)
    assert seen == sorted(seen, key=lambda state: state == scenario.new)


def public_state(world: World):
    """Verify the public state from nothing and describe it; None if nothing is public.

    The description has timestamp and snapshot version, the roles' versions, the length of the
    package, and the metadata paths that a server would serve if it started now.
    """
    published = world.published()
    if published is None:
        return None, None, None, None, None
    version, found = refresh_from_disk(world.folder, [FIRST, CHANNEL.pointer_path])
    assert version == published.timestamp.version
    roles = tuple(sorted((name, role.version) for name, role in published.roles.items()))
    package = found[FIRST] and len(found[FIRST])
    documents = world.snapshot().documents
    served = tuple(sorted(path for path in documents if path.startswith("/metadata/")))
    return version, published.snapshot.version, roles, package, served


def ends(world, bundle_id):
    """Return the audit log's entries about the end of a bundle."""
    with closing(sqlite3.connect(world.folder.sqlite)) as connection:
        query = "SELECT action FROM trail_entries WHERE subject = ?"
        return [action for (action,) in connection.execute(query, (bundle_id,))]


def finish(scenario, world):
    """Do what a restarted server does, and check the folder's invariants."""

    async def again(publisher):
        await publisher.process_incoming()
        if scenario.action == "refresh":
            await publisher.refresh()

    world.run(again)
    assert public_state(world)[2:4] == scenario.new[2:4]
    check_public_log(world)
    check_folder(world)
    if scenario.bundle_id is not None:
        result = world.result(scenario.bundle_id)
        assert (result.status, result.reason) == ("published", "")
        assert result.snapshot == world.published().snapshot.version
        assert list(world.folder.incoming.iterdir()) == []
        assert ends(world, scenario.bundle_id) == ["submission.publish"]
