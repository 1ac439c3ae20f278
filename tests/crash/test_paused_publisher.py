"""A publisher stops in the middle of its work, and another one takes over: one history remains.

SQLite is tested at each place, PostgreSQL at some: the statements that lock the lease differ.
"""

import asyncio

import pytest

from server.publisher.keys.online_keys import KeyChange
from server.publisher.publisher import Publisher
from server.storage import engine
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from tests.crash.after import check_public_log
from tests.crash.forks import forking
from tests.server.site import run_out
from tests.server.world import (
    FIRST,
    PACKAGE_1,
    PACKAGE_2,
    SECOND,
    publish_first,
    refresh_from_disk,
)

POSTGRESQL = pytest.mark.needs("postgresql")
DATABASES = ["sqlite", pytest.param("postgresql", marks=POSTGRESQL)]
#: The database, the place, and the machine of the publisher that takes over.
STEPS = [
    *(("sqlite", step, "same") for step in range(2, 7)),
    *(pytest.param("postgresql", step, "other", marks=POSTGRESQL) for step in (3, 5)),
]
SWAPS = [
    *(("sqlite", name) for name in ("timestamp.json", "checkpoint")),
    pytest.param("postgresql", "timestamp.json", marks=POSTGRESQL),
]


@pytest.fixture(scope="session")
def ask(programs):
    """Yield a function that sends a line to the process of `paused`, and returns its answer."""
    with forking(programs.command("python"), "tests.crash.paused") as send:
        yield send


@pytest.fixture(scope="session")
def on_postgresql(fresh_state, postgres, tmp_path_factory):
    """Return a server on PostgreSQL that offers release 1; tests copy it and do not change it."""
    root = tmp_path_factory.mktemp("postgresql") / "state"
    copy = fresh_state.copy(root)
    world = copy.on(StateFolder(root, postgres.make_database()))
    publish_first(world)
    return world


@pytest.fixture
def world(request, tmp_path):
    """Return a private server on SQLite or the named database, with a second release that waits."""
    if getattr(request, "param", "sqlite") == "sqlite":
        world = request.getfixturevalue("published_state").copy(tmp_path / "state")
    else:
        base = request.getfixturevalue("on_postgresql")
        copy = base.copy(tmp_path / "state")
        postgres = request.getfixturevalue("postgres")
        address = postgres.copy_database(base.folder.database_url)
        world = copy.on(StateFolder(copy.folder.root, address))
    world.submit(world.second_release(), [PACKAGE_2])
    return world


def job(world, stop, seconds=30):
    """Return the job line that starts to publish waiting bundles, and stops."""
    folder = world.folder
    place = {"state": str(folder.root), "database": folder.database_url}
    return {**place, "stop": stop, "seconds": seconds}


def files(world):
    """Return the bytes of all public, waiting and staged files."""
    root = world.folder.root
    folders = (world.folder.public, world.folder.staging.parent, world.folder.results)
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def take_over(world):
    """Publish the waiting bundle and another role as a second process; return the public state."""
    before = world.published().timestamp.version
    role = world.ceremony.role("tables", 2)
    assert world.publish({("tables", 2): role}).reason == ""
    assert world.published().timestamp.version > before
    return files(world)


def check_end(world):
    """Check the folder's invariants: one history, both releases, no leftovers."""
    version, found = refresh_from_disk(world.folder, [FIRST, SECOND])
    assert found == {FIRST: PACKAGE_1, SECOND: PACKAGE_2}
    assert version == world.published().timestamp.version
    check_public_log(world)
    assert not world.folder.staging.exists()
    assert list(world.folder.root.rglob(".tmp-*")) == []
    assert list(world.folder.incoming.iterdir()) == []


@pytest.mark.parametrize(("world", "step", "machine"), STEPS, indirect=["world"])
def test_stopped_after_a_step(world, step, machine, ask):
    """A publisher that continues after its lease expired publishes nothing, and reports this.

    A publisher on another machine cannot see the file lock of the first one.
    """
    assert ask(job(world, step)) == {"stopped": step}
    if machine == "other":
        world.folder.lock.unlink()
    run_out(world)
    after = take_over(world)
    ended = ask("go on")
    assert ended["status"] == 0
    assert "this process was silent for longer than its lease" in ended["said"]
    assert files(world) == after
    check_end(world)


def test_stopped_before_lease(world, ask):
    """A publisher stopped after it stored packages blocks no other, and finds them published."""
    assert ask(job(world, 1)) == {"stopped": 1}
    after = take_over(world)
    assert ask("go on") == {"status": 0, "said": ""}
    assert files(world) == after
    check_end(world)


@pytest.mark.parametrize("world", DATABASES, indirect=True)
def test_lease_expires(world, ask):
    """The lease expires, and the other process takes over without an operator."""
    assert ask(job(world, 3, seconds=1)) == {"stopped": 3}
    after = take_over(world)
    assert "silent for longer than its lease" in ask("go on")["said"]
    assert files(world) == after
    check_end(world)


@pytest.mark.parametrize(("world", "name"), SWAPS, indirect=["world"])
def test_stopped_inside_swap(world, name, ask, monkeypatch):
    """No process takes over in the middle of a swap, because a swap cannot be undone."""
    monkeypatch.setattr(engine, "BUSY_SECONDS", 1)
    monkeypatch.setattr(engine, "COMMAND_SECONDS", 2)
    assert ask(job(world, name, seconds=1)) == {"stopped": name}
    before = files(world)
    with pytest.raises(StorageError, match="the database"):
        world.run(Publisher.process_incoming)
    assert files(world) == before
    assert ask("go on") == {"status": 0, "said": ""}
    take_over(world)
    check_end(world)


async def publish_one_after_the_other(world, files):
    """Publish bundles as one operator: each is submitted when the previous one is done."""
    async with world.publisher() as publisher:
        for name, data in files:
            await asyncio.to_thread(world.submit, {name: data})
            await publisher.process_incoming()
            await publisher.rotate(
                lambda keys, _published, _now: KeyChange(keys, lambda: None, renew="timestamp")
            )


@pytest.mark.parametrize("world", DATABASES, indirect=True)
def test_two_publishers(world):
    """Two processes publish alternately; nothing is lost, and no version decreases."""
    tables = [(("tables", n), world.ceremony.role("tables", n)) for n in range(2, 5)]
    content = [(("content", n), world.ceremony.role("content", n)) for n in range(2, 5)]
    before = world.published().timestamp.version

    async def both():
        await asyncio.gather(
            publish_one_after_the_other(world, tables),
            publish_one_after_the_other(world, content),
        )

    asyncio.run(both())
    published = world.published()
    assert [published.roles[name].version for name in ("tables", "content")] == [4, 4]
    assert published.roles["armani"].version == 3
    # The waiting release, six bundles, and six times the timestamp.
    assert published.timestamp.version == before + 13
    results = [path.read_text() for path in world.folder.results.iterdir()]
    assert [text for text in results if "refused" in text] == []
    check_end(world)
