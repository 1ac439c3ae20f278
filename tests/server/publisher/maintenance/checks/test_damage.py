"""The findings of `check`: damaged states, a server that publishes meanwhile, and a crash."""

import asyncio
import contextlib

import pytest
from msgspec import structs

from server.publisher.maintenance.check import check_state
from server.publisher.maintenance.checks.finding import MAX_LISTED, summarise
from server.publisher.publisher import Publisher
from server.storage.database import open_database
from server.storage.local_blobs import LocalBlobs
from tests.cases import case
from tests.server.ceremony import release
from tests.server.publisher.maintenance.checks.damage import copy, flip, remove, run, write
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND

JUNK = b"junk"
LAST = 'SELECT max("index") FROM log_entries'
LEAF = 'UPDATE log_entries SET {} WHERE "index" = 2'
OWNER = (
    "INSERT INTO accounts (name, role, codenames, created_at) VALUES ('eka', 'engineer', '[]', 1)"
)
UPLOAD = (
    "INSERT INTO uploads (id, account, length, sha256, created_at, expires_at, finished_at) VALUES"
    f" ('{'c' * 32}', 'eka', 5, '{'d' * 64}', 1, 9999999999, {{}})"
)
MORE = f"INSERT INTO log_entries SELECT ({LAST}) + 1, 'armani', 9, '{'7' * 64}', 1"
NO_LAST_LEAF = run(f'DELETE FROM log_entries WHERE "index" = ({LAST})')
OTHER_ROOTS = b'{"before":1,"newest":2,"time":1,"timestamp":1}\n'


def cut_blob(state):
    """Shorten a blob."""
    write(next(state.glob("blobs/*/*")), b"PK")(state)


# The damage, and the finding's subject with a part of its sentence.
DAMAGE = [
    (flip("**/2.armani.json"), "metadata: 2.armani.json is not the file that was logged"),
    (remove("**/2.armani.json"), "metadata: 2.armani.json is in the log and not there: restore"),
    (flip("**/1.latest.json"), "metadata: 1.latest.json is not the file that was logged"),
    (flip("**/1.snapshot.json", at=20), "metadata: 1.snapshot.json"),
    (
        copy("public/metadata/2.snapshot.json", "public/metadata/1.snapshot.json"),
        "metadata: 1.snapshot.json holds snapshot 2",
    ),
    (remove("**/1.snapshot.json"), "metadata: 1.snapshot.json is not there"),
    (remove("**/3.armani.json"), "metadata: 3.armani.json is not there"),
    (flip("**/3.armani.json", at=0), "metadata: 3.armani.json is not the file that was logged"),
    (remove("public/metadata/timestamp.json"), "metadata: nothing is published yet"),
    (flip("public/metadata/timestamp.json"), "audit: timestamp"),
    (flip("**/1.root.json"), "metadata: 1.root.json is not the file that was logged"),
    (
        copy("public/metadata/3.armani.json", "public/metadata/4.armani.json"),
        "metadata: 4.armani.json is not in the log",
    ),
    (
        copy("public/metadata/4.snapshot.json", "public/metadata/5.snapshot.json"),
        "metadata: 5.snapshot.json holds snapshot 4",
    ),
    (write("public/metadata/evil.txt", JUNK), "metadata: evil.txt is not a role file"),
    (write("public/index.html", JUNK), "tree: public/index.html"),
    (remove("public/roots.json"), "roots: roots.json is gone"),
    (write("public/roots.json", b'{"x":1}\n'), "roots: roots.json cannot be read"),
    (write("public/roots.json", OTHER_ROOTS), "roots: roots.json names root 2"),
    (write("public/proofs.json", b'{"restated":1}\n'), "tree: signing the log again"),
    (write("public/proofs.json", b'{"count":1}\n'), "tree: proofs.json cannot be read"),
    (remove("trusted/root.json"), "audit: root.json"),
    (remove("public/log/checkpoint"), "log: checkpoint is not there"),
    (flip("public/log/checkpoint"), "log: Restore public/log"),
    (flip("public/log/tile/0/000.p/*"), "log: does not match the leaves: restore"),
    (flip("public/log/tile/entries/000.p/*"), "log: does not match the leaves"),
    (remove("public/log/tile/0/000.p/10"), "log: public/log/tile/0/000.p/10 is not there"),
    (write("public/log/tile/0/001", JUNK), "log: public/log/tile/0/001 belongs to no leaf"),
    (remove("public/log/proof/armani.1"), "log: public/log/proof/armani.1 is not there"),
    (flip("public/log/proof/armani.2"), "log: public/log/proof/armani.2 is not valid"),
    (write("public/log/proof/armani.9", JUNK), "log: public/log/proof/armani.9 belongs to no leaf"),
    (NO_LAST_LEAF, "log: the checkpoint covers 10 leaves, but the database has 9"),
    (NO_LAST_LEAF, "metadata: 3.armani.json is in the public log and not in the database"),
    (run('DELETE FROM log_entries WHERE "index" = 2'), "log: leaf 2 is not in the database"),
    (run(LEAF.format(f"sha256 = '{'0' * 64}'")), "log: do not lead to the signed root"),
    (run(MORE), "log: armani 9 (leaf 10) waits in the database"),
    (
        run("UPDATE log_entries SET appended_at = appended_at + 864000000"),
        "log: a time in the future",
    ),
    (remove("blobs/*/*"), "blobs: the blob of armani/id/stable/armani-"),
    (cut_blob, "blobs: the blob of armani/id/stable/armani-"),
    (flip("blobs/*/*"), "hashes: is damaged"),
    (write(f"blobs/ab/{'ab' * 32}", JUNK), "hashes: the blob abababababababab is damaged"),
    (run("DELETE FROM blobs"), f"records: the blob of {FIRST} was verified"),
    (run("UPDATE blobs SET length = length + 1"), f"records: the blob of {FIRST} was verified"),
    (
        run(f"INSERT INTO blobs VALUES ('{'ab' * 32}', 1, 1)"),
        "records: the blob abababababababab has a record and is not there",
    ),
    (
        write("staging/publication/plan.json", JUNK),
        "staging: the accepted publication cannot be read",
    ),
    (write("staging/other", JUNK), "staging: staging/other"),
    (run("DELETE FROM submissions"), "submissions: the database does not know submission"),
    (
        run("UPDATE submissions SET status = 'refused', reason = 'x'"),
        "submissions: was refused in snapshot",
    ),
    (remove("results/*.json"), "submissions: is gone: restore"),
    (
        write(f"results/{'a' * 64}.json", JUNK),
        f"submissions: results/{'a' * 64}.json cannot be read",
    ),
    (run("UPDATE leases SET expires_at = 99999999999"), "lease: no other server can publish"),
    (run("UPDATE leases SET fence = -5"), "lease: fence of the lease is -5"),
    (run(OWNER, UPLOAD.format(1)), f"uploads: upload {'c' * 32} of eka"),
    (run(UPLOAD.format("NULL")), "database: a row of uploads names one of accounts that is gone"),
    (write("keys/public.json", b"{}"), "keys: keys/public.json"),
    (remove("keys/timestamp.pem"), "keys: timestamp.pem is gone"),
    (lambda state: (state / "keys/latest.pem").chmod(0o644), "keys: run `chmod 600"),
    (copy("keys/latest.pem", "keys/snapshot.pem"), "keys: key for snapshot"),
]


async def test_undamaged_server(world, find_errors):
    """`check` finds nothing in a server without damage."""
    assert await find_errors(world) == []


async def test_each_damage_is_found(second_state, tmp_path, find_errors):
    """Each damage is found, and every finding is a complete sentence."""
    for number, (alter, finding) in enumerate(DAMAGE):
        with case(finding):
            world = await asyncio.to_thread(second_state.copy, tmp_path / f"{number}")
            await asyncio.to_thread(alter, world.folder.root)
            found = await find_errors(world)
            subject, _, text = finding.partition(": ")
            assert [error for each, error in found if each == subject and text in error]
            assert all(error.endswith((".", '"')) for _, error in found)


async def test_several_kinds_of_damage(world, find_errors):
    """`check` reports several kinds of damage in one run, even if a role cannot be read."""
    for alter in (
        remove("**/3.armani.json"),
        write("public/log/proof/armani.9", JUNK),
        run("UPDATE leases SET expires_at = 99999999999"),
        flip("blobs/*/*"),
    ):
        await asyncio.to_thread(alter, world.folder.root)
    assert {subject for subject, _ in await find_errors(world)} == {
        "metadata",
        "log",
        "lease",
        "hashes",
    }


def test_many_errors_are_summarised():
    """The first twenty errors of a kind are reported, the others are counted."""
    found = list(summarise("log", "", [str(number) for number in range(MAX_LISTED + 5)]))
    assert [finding.error for finding in found[:MAX_LISTED]] == [
        str(number) for number in range(MAX_LISTED)
    ]
    assert [finding.error for finding in found[MAX_LISTED:]] == [
        "there are 5 more errors like these."
    ]


def share(world, permille):
    """Return an edit that sets the channel's share of devices."""

    def edit(published):
        pointers = published.pointers()
        path = CHANNEL.pointer_path
        schedule = [(world.epoch(), permille)]
        return {**pointers, path: structs.replace(pointers[path], schedule=schedule)}

    return edit


def busy(sessions, publish):
    """Return the sessions of a database in which something is published before each session."""

    @contextlib.asynccontextmanager
    async def begin():
        await publish()
        async with sessions() as session:
            yield session

    return begin


class BusyBlobs(LocalBlobs):
    """A store at which something is published before each look-up."""

    def __init__(self, folder, publish):
        super().__init__(folder)
        self._publish = publish

    def lengths(self, names):
        """Publish, then return the lengths."""
        self._publish()
        return super().lengths(names)


async def test_check_during_publications(world):
    """Publications between two reads of `check` cause no finding."""
    numbers = iter(range(4, 100))
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2))}

    async def submit():
        number = next(numbers)
        bundle = {("armani", number): world.ceremony.role("armani", number, files)}
        await asyncio.to_thread(world.submit, bundle)
        async with world.publisher() as publisher:
            await publisher.process_incoming()
            await publisher.change_pointers(share(world, number))

    loop = asyncio.get_running_loop()
    async with open_database(world.folder.database) as sessions:
        blobs = BusyBlobs(
            world.folder.blobs,
            lambda: asyncio.run_coroutine_threadsafe(submit(), loop).result(),
        )
        found = await check_state(
            world.folder, busy(sessions, submit), blobs, world.now(), deep=False
        )
    assert [finding for finding in found if finding.error] == []
    assert next(numbers) > 5  # something was published meanwhile


@pytest.mark.parametrize("step", [3, 4, 5, 6])
async def test_check_after_an_interrupted_publication(world, find_errors, step):
    """A publication interrupted after any step is no finding, and `run` completes it."""

    def crash(done):
        if done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with world.publisher(after_step=crash) as publisher:
            await publisher.change_pointers(share(world, 500))
    assert await find_errors(world) == []
    async with world.publisher() as publisher:
        await Publisher.repair(publisher)
    published = await asyncio.to_thread(world.published)
    assert published.pointers()[CHANNEL.pointer_path].schedule[-1][1] == 500
    assert await find_errors(world) == []
