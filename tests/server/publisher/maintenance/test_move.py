"""A server moves from a folder to PostgreSQL and S3 without loss, even if interrupted."""

import asyncio
import hashlib
import os
import sqlite3
import threading
import time
from datetime import timedelta

import msgspec
import obstore
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from server.cli import cli
from server.publisher.errors import PublishError
from server.publisher.maintenance import move as module
from server.publisher.maintenance.move import move_files, move_rows
from server.publisher.publisher import Publisher
from server.release.rollouts.rollouts import ChangePolicy, Rollouts
from server.settings import Node, load_settings
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.layout import PostgresAddress, StateFolder
from server.storage.models import Base, Blob
from server.storage.objects import Objects
from tests.cases import case
from tests.patience import PATIENCE
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.publisher.test_machines import public_files
from tests.server.release.api.test_uploads import DATA, SHA256, begin, patch
from tests.server.release.api_world import api_world
from tests.server.site import Site, run_out
from tests.server.world import CHANNEL, PACKAGE_1, PACKAGE_2, StoppedError, halt
from tests.watched_objects import EndedError, stopping_objects

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]


@pytest.fixture
def site(fresh_state, postgres, seaweed, tmp_path):
    """Return an empty site."""
    return Site(fresh_state, postgres, seaweed, tmp_path)


def rows(place):
    """Return all rows of a database by table, except the leases."""

    async def read():
        async with open_database(place) as sessions, sessions() as session:
            return {
                table.name: sorted(map(repr, await session.execute(select(table))))
                for table in Base.metadata.sorted_tables
                if table.name != "leases"
            }

    return asyncio.run(read())


def add_row(address):
    """Write a row, as another server would."""

    async def write():
        async with open_database(PostgresAddress(address)) as sessions, sessions.begin() as session:
            session.add(Blob(sha256="0" * 64, length=1, verified_at=1))

    asyncio.run(write())


def moved(world, site):
    """Return a world on the moved server, on the same machine."""
    other = world.on(StateFolder(world.folder.root, site.address, tree=site.tree))
    other.blobs = site.blobs
    return other


def run_move(world, site, objects, close=move_rows):
    """Move a world's files and rows to a site."""

    async def work():
        async with open_database(world.folder.sqlite) as sessions:
            return await move_files(
                world.folder,
                sessions,
                site.blobs,
                objects,
                lambda check: close(world.folder.sqlite, PostgresAddress(site.address), check),
                lambda _what, _done, _total: None,
            )

    return asyncio.run(work())


def check(world, site, before):
    """Assert that all rows were moved, the old server is closed and the new one publishes."""
    assert rows(PostgresAddress(site.address)) == before
    with pytest.raises(
        StorageError, match="is closed, because this server moved to another database"
    ):
        world.run(lambda publisher: publisher.change_pointers(world.offer(1, 500)))
    there = moved(world, site)
    assert there.publish(there.second_release(), [PACKAGE_2]).reason == ""
    check_metadata_is_logged(there.folder, check_log(there.folder, there.keys.log_verifier.public))
    assert site.blobs.length(hashlib.sha256(PACKAGE_1).hexdigest()) == len(PACKAGE_1)


@pytest.fixture
def move(world, site):
    """Return a function that runs `hening-server move` with the site's S3 store in the settings."""
    chosen = site.settings(Node.ALL)
    lines = ("s3_endpoint", "s3_key_id", "s3_secret")
    settings = "".join(f'{name} = "{getattr(chosen, name)}"\n' for name in lines)
    world.folder.settings.write_text(settings)
    places = {"--database": site.address, "--tree": chosen.tree_url, "--blobs": chosen.blobs_url}

    def run(**others):
        given = places | {f"--{name}": place for name, place in others.items()}
        words = [word for each in given.items() for word in each]
        return CliRunner().invoke(cli, ["move", "--state", str(world.folder.root), *words])

    return run


def test_move_command(world, site, move):
    """The command moves the server and writes the new settings; another machine can join."""
    chosen = site.settings(Node.ALL)
    before, files = rows(world.folder.sqlite), public_files(world.folder)
    done = move()
    assert "are moved, compared and verified" in done.stdout
    assert site.address not in done.stdout  # the address has a password
    settings = load_settings(world.folder.settings, {})
    assert settings == msgspec.structs.replace(chosen, port=8080)
    other = site.machine("other")
    other.run(Publisher.repair)
    assert public_files(other.folder) == files
    after = rows(PostgresAddress(site.address))
    (entry,) = set(after["trail_entries"]) - set(before["trail_entries"])
    assert "'server.move'" in entry
    for table in ("trail_entries", "trail_head"):
        del before[table], after[table]
    assert after == before


def test_interrupted_at_any_request(world, site):
    """An interrupted move continues with the next run; until then nothing public changes."""
    before, files = rows(world.folder.sqlite), public_files(world.folder)
    runs = 0
    while True:
        runs += 7
        try:
            run_move(world, site, stopping_objects(site.tree, runs, is_sent=False))
        except EndedError:
            assert public_files(world.folder) == files
        else:
            break
    assert runs > 7 * 5
    check(world, site, before)


@pytest.mark.parametrize("commit", [2, 3], ids=["rows are there", "file is closed"])
def test_interrupted_between_the_databases(world, site, monkeypatch, commit):
    """A move interrupted between the databases' commits neither loses nor duplicates a row."""
    before, commits = rows(world.folder.sqlite), []

    def with_connection(*args, **kwargs):
        found = real(*args, **kwargs)
        commits.append(args[0])
        if len(commits) == commit:
            raise StoppedError
        return found

    real = module.with_connection
    with monkeypatch.context() as patch:
        patch.setattr(module, "with_connection", with_connection)
        with pytest.raises(StoppedError):
            run_move(world, site, Objects(site.tree))
    if commit == 3:
        assert move_rows(world.folder.sqlite, PostgresAddress(site.address)) > 0
    else:
        run_move(world, site, Objects(site.tree))
    check(world, site, before)


def test_refused_moves(world, site):
    """A move is refused while a bundle waits, or if its target holds other data."""
    bundle = world.submit(world.second_release(), [PACKAGE_2])
    with pytest.raises(PublishError, match="let it end, then move again"):
        run_move(world, site, Objects(site.tree))
    world.run(Publisher.process_incoming)
    assert world.result(bundle).reason == ""
    site.write("tree/metadata/1.other.json", b"{}")
    with pytest.raises(PublishError, match="what is in S3 is not what is public here"):
        run_move(world, site, Objects(site.tree))
    obstore.delete(site.store(), "tree/metadata/1.other.json")
    add_row(site.address)
    with pytest.raises(StorageError, match="the PostgreSQL database holds a server already"):
        run_move(world, site, Objects(site.tree))
    world.run(lambda publisher: publisher.change_pointers(halt()))


def test_interrupted_before_the_settings_are_written(world, site, postgres, move):
    """A repeated move with other targets than the first is refused."""
    run_move(world, site, Objects(site.tree))
    settings = world.folder.settings.read_text()
    tree = f"{site.settings(Node.ALL).tree_url}-other"
    for refused, message in (
        (move(database=postgres.make_database()), "another PostgreSQL"),
        (move(tree=tree), "what is in S3"),
    ):
        assert (refused.exit_code, message in str(refused.exception)) == (1, True)
        assert world.folder.settings.read_text() == settings
    assert move().exit_code == 0


def test_data_that_arrives_during_a_move(world, site):
    """Data that arrives during a move aborts it, and the next run moves that data.

    The cases are a bundle, a publication after the move's lease has expired, and an upload.
    """

    async def upload():
        async with api_world(world) as api:
            path = await begin(api)
            assert (await patch(api, path, 0, DATA)).status == 204

    def publish():
        run_out(world)
        assert world.publish({("tables", 2): world.ceremony.role("tables", 2)}).reason == ""

    for act, message in (
        (lambda: world.submit(world.second_release(), [PACKAGE_2]), "let it end, then move again"),
        (publish, "came in meanwhile: run the same command again"),
        (lambda: asyncio.run(upload()), "came in meanwhile: run the same command again"),
    ):

        def close(source, target, check, act=act):
            act()
            return move_rows(source, target, check)

        with case(message), pytest.raises(PublishError, match=message):
            run_move(world, site, Objects(site.tree), close)
        world.run(Publisher.process_incoming)
    assert site.blobs.length(SHA256) is None
    run_move(world, site, Objects(site.tree))
    assert site.blobs.length(SHA256) == len(DATA)
    other = site.machine("other", world)
    other.run(Publisher.repair)
    assert {("armani", 3), ("tables", 2)} <= other.published().versions().items()


def test_halt_during_a_move(world, site):
    """A halt during the move is answered with 503, and the new server executes it."""
    answers = []

    async def halt_by_api():
        async with api_world(world) as api:
            answers.append(await api.call("POST", f"/channels/{CHANNEL}/halt", body={}))

    def close(source, target, check):
        halting.start()
        deadline = time.monotonic() + PATIENCE
        while not changes(source):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return move_rows(source, target, check)

    halting = threading.Thread(target=asyncio.run, args=(halt_by_api(),))
    run_move(world, site, Objects(site.tree), close)
    halting.join()
    assert [answer.status for answer in answers] == [503]
    assert "this server moved to another database" in answers[0].json["detail"]

    async def run_due():
        there = moved(world, site)
        there.ahead = timedelta(minutes=5)  # earlier, the API's request may still hold it
        async with (
            open_database(there.folder.database) as sessions,
            there.publisher() as publisher,
        ):
            rollouts = Rollouts(
                there.folder, sessions, publisher, there.now, os.urandom, ChangePolicy(1)
            )
            return await rollouts.run_due()

    (done,) = asyncio.run(run_due())
    assert (done.state, done.channel) == ("done", str(CHANNEL))
    assert moved(world, site).published().pointers()[CHANNEL.pointer_path].halted


def changes(sqlite):
    """Return the ids of recorded changes."""
    connection = sqlite3.connect(sqlite)
    try:
        return connection.execute("SELECT id FROM changes").fetchall()
    finally:
        connection.close()
