"""The state before each story, what a restarted process does, and the checks of its result."""

import asyncio
import hashlib
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from server.cli.options import open_state
from server.core.profile import log_verifier
from server.publisher.keys.online_keys import HOLDERS, load_online_keys
from server.publisher.keys.rotation import make_next_keys
from server.publisher.maintenance.rebuild import BLOBS
from server.publisher.publisher import Publisher
from server.release.auth.principal import ROLE_PERMISSIONS, Principal, Role
from server.release.rollouts.commands import Halt, Pause
from server.release.rollouts.execution import ORPHAN_SECONDS
from server.release.webhooks.deliveries import CLAIM_SECONDS
from server.release.webhooks.directory import create_webhook
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.models import Account
from tests.crash.sender import FIRST as FIRST_PART
from tests.crash.sender import WHOLE, begin, resume
from tests.crash.stories import OFFER, run_quietly, webhook_processes
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.publisher.maintenance.test_garbage import age_all, put, sha, stored
from tests.server.publisher.maintenance.test_rebuild import rows
from tests.server.publisher.mirror.mirrors import Folder
from tests.server.publisher.mirror.mirrors import read as read_mirror
from tests.server.release.rollouts.harness import DAY
from tests.server.release.rollouts.harness import open_harness as open_rollouts_harness
from tests.server.world import (
    CHANNEL,
    FIRST,
    PACKAGE_1,
    PACKAGE_2,
    SECOND,
    halt,
    refresh_from_disk,
)

PATH = CHANNEL.pointer_path


@dataclass
class Story:
    """A server before a story, the public states before and after it, and the story's inputs."""

    world: object
    old: tuple = ()
    new: tuple = ()
    job: dict = field(default_factory=dict)
    receiver: object = None
    changes: list = field(default_factory=list)
    copied: tuple = ()


def public_state(world):
    """Let an independent TUF client refresh from nothing; return what it trusts and can fetch.

    Results are cached by the files' content, because most kills leave the old state.
    """
    files = [world.folder.trusted_root, *world.folder.blobs.rglob("*")]
    files += [path for path in (world.folder.public / "metadata").iterdir() if path.name[0] != "."]
    content = hashlib.sha256()
    for path in sorted(filter(Path.is_file, files)):
        content.update(
            b"%s\0%s\0" % (path.name.encode(), hashlib.sha256(path.read_bytes()).digest())
        )
    if (key := content.digest()) not in _STATES:
        _STATES[key] = _refresh(world)
    return _STATES[key]


_STATES = {}


def _refresh(world):
    _, found = refresh_from_disk(world.folder, [FIRST, SECOND, PATH])
    published = world.published()
    pointer = published.pointers()[PATH]
    return (
        tuple(sorted((role, signed.version) for role, signed in published.roles.items())),
        published.root.version,
        tuple(found[path] and len(found[path]) for path in (FIRST, SECOND)),
        (pointer.steps[-1].counter, pointer.schedule[-1][1], pointer.halted),
    )


def check_public_log(world):
    """Assert that log, database and metadata agree."""
    named = log_verifier(world.published().root)
    check_metadata_is_logged(world.folder, check_log(world.folder, named.public))


def check_folder(world):
    """Assert that no temporary file is left, no alarm was raised, and the database is intact."""
    assert [str(path) for path in world.folder.root.rglob(".tmp-*")] == []
    assert not world.folder.staging.exists()
    assert world.alarms == []
    with closing(sqlite3.connect(world.folder.sqlite)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


# The state before each story.


def prepare_publish(story):
    """Put a bundle with a root, a role and a package into `incoming`."""
    files = {("root", 2): story.world.ceremony.root(2)} | story.world.second_release()
    story.job["bundle"] = story.world.submit(files, [PACKAGE_2])


def prepare_roll_out(story):
    """Publish a release that is not offered yet."""
    assert story.world.publish(story.world.second_release(), [PACKAGE_2]).reason == ""


def prepare_halt(story):
    """Schedule a rollout command for tomorrow."""

    async def wait():
        async with open_rollouts_harness(story.world) as harness:
            await harness.request(Pause(), if_match="*", due_at=story.world.epoch() + DAY)

    asyncio.run(wait())


def prepare_nothing(_story):
    """Leave the server as it is."""


def prepare_upload(story):
    """Begin an upload of which the first part has arrived."""
    story.job["upload"] = asyncio.run(begin(story.world.folder.root))


def prepare_webhook(story):
    """Make a webhook, and halt a channel without delivering that event yet."""
    world = story.world

    async def begin():
        admin = Principal("ani", Role.ADMIN, ROLE_PERMISSIONS[Role.ADMIN], ("*",))
        async with open_database(world.folder.database) as sessions:
            async with sessions.begin() as session:
                session.add(Account(name="ani", role="admin", codenames='["*"]\n', created_at=1))
            await create_webhook(
                sessions,
                admin,
                story.receiver.url,
                ["halted"],
                world.epoch(),
                lambda count: bytes(range(count)),
                private=True,
            )
        async with webhook_processes(world, []) as (detector, _):
            await detector.detect()

    asyncio.run(begin())
    world.run(lambda publisher: publisher.change_pointers(halt()))


# The actions of a restarted process, and the required result of each story.


def restart_publish(world, story):
    """Repair the state and process waiting bundles; the bundle is published once."""

    async def restart(publisher):
        await publisher.repair()
        await publisher.process_incoming()

    world.run(restart)
    result = world.result(story.job["bundle"])
    assert (result.status, result.reason) == ("published", "")
    assert result.snapshot == world.published().snapshot.version
    assert list(world.folder.incoming.iterdir()) == []


def restart_roll_out(world, _story):
    """Complete a recorded command; if no command was recorded, send it again."""
    complete_command(world, OFFER)


def restart_halt(world, _story):
    """Complete or repeat the halt; the change that waited for the channel is cancelled."""
    assert complete_command(world, Halt()) == {"halt": "done", "pause": "cancelled"}


def complete_command(world, command):
    """Do the restarted process's work half a minute later; returns the states of all changes."""
    world.run(Publisher.repair)
    world.ahead += timedelta(seconds=ORPHAN_SECONDS + 1)

    async def restart():
        async with open_rollouts_harness(world) as harness:
            await harness.rollouts.run_due()
            if not [
                change for change in await harness.rollouts.find() if change.command == command
            ]:
                await harness.request(command)
            assert harness.alarms == []
            actions = [action for _, action in await harness.audit_log()]
            assert len(set(actions)) == len(actions)
            return {change.action: str(change.state) for change in await harness.rollouts.find()}

    return asyncio.run(restart())


def restart_new_keys(world, _story):
    """Repair the state, and repeat the command."""

    async def restart(publisher):
        await publisher.repair()
        await make_next_keys(publisher, world.folder, HOLDERS)

    world.run(restart)
    keys = load_online_keys(world.folder.keys)
    assert len(keys.next_signers) == 3
    for key in keys.log_keys:
        assert check_log(world.folder, key.verifier.public)


def restart_upload(world, story):
    """Recover, and resume from the offset that the server reports; one blob exists then."""
    world.run(Publisher.repair)
    offset = asyncio.run(resume(world.folder.root, story.job["upload"]))
    assert offset in {FIRST_PART, len(WHOLE)}


def restart_webhook(world, story):
    """Detect changes and deliver, again after a minute; the receiver has one event."""

    async def restart():
        async with webhook_processes(world, world.alarms) as (detector, deliverer):
            await detector.detect()
            await deliverer.deliver_due()
            world.ahead += timedelta(seconds=CLAIM_SECONDS)
            await deliverer.deliver_due()

    asyncio.run(restart())
    with closing(sqlite3.connect(world.folder.sqlite)) as connection:
        rows = connection.execute("SELECT event_id, attempts, delivered_at FROM deliveries")
        ((event_id, attempts, delivered_at),) = rows.fetchall()
    assert delivered_at is not None
    assert attempts in {1, 2}
    assert set(story.receiver.ids) <= {event_id}
    assert set(story.receiver.ids) == {event_id}


def prepare_export(story):
    """Export, and then publish a release that the mirror lacks."""
    world = story.world
    Folder(world.folder.root / "mirror").export(world)
    files = {("root", 2): world.ceremony.root(2)} | world.second_release()
    assert world.publish(files, [PACKAGE_2]).reason == ""


def restart_export(world, _story):
    """Check the mirror's public files, and export again: no file of a new mirror is missing."""
    mirror, other = Folder(world.folder.root / "mirror"), Folder(world.folder.root / "other")
    version, found = read_mirror(world, mirror, [FIRST])
    assert found == [PACKAGE_1]
    newest = world.published().timestamp.version
    if version == newest:
        assert read_mirror(world, mirror, [SECOND])[1] == [PACKAGE_2]
    mirror.export(world)
    assert read_mirror(world, mirror, [FIRST, SECOND]) == (newest, [PACKAGE_1, PACKAGE_2])
    other.export(world)
    assert mirror.files().items() >= other.files().items()
    assert list(mirror.out.rglob(".tmp-*")) == []


def prepare_garbage(story):
    """Add blobs that no row references, and make all of them old."""
    for number in range(3):
        put(story.world, b"PK\x03\x04 stray %d" % number, days=8)
    age_all(story.world, 8)


def restart_garbage(world, _story):
    """Repeat the command; only referenced blobs are left."""
    world.run(Publisher.repair)
    world.run(lambda publisher: publisher.collect_garbage(timedelta(days=7)))
    assert stored(world) == {sha(PACKAGE_1)}


def prepare_backup(story):
    """Back up, and then publish a release that the backup lacks."""
    world = story.world
    back_up(world)
    story.copied = public_state(world)
    files = {("root", 2): world.ceremony.root(2)} | world.second_release()
    assert world.publish(files, [PACKAGE_2]).reason == ""


def back_up(world):
    """Update the backup to the present state."""
    command = ["backup", "--state", str(world.folder.root), "--out", f"{world.folder.root}/backup"]
    run_quietly(command)


def restart_backup(world, story):
    """Check that the backup is refused, or complete; a repeated backup is complete and new."""
    if is_accepted(world):
        assert public_state(restored(world)) in {story.copied, story.new}
    world.run(Publisher.repair)
    back_up(world)
    assert is_accepted(world)
    copy = restored(world)
    assert public_state(copy) == story.new
    assert table_rows(copy) == table_rows(world)
    check_public_log(copy)
    role = {("tables", 2): world.ceremony.role("tables", 2)}
    assert copy.publish(role).reason == ""


def is_accepted(world):
    """Return whether commands accept the backup as a server's state."""
    try:
        open_state(world.folder.root / "backup")
    except StorageError as error:
        assert "is an incomplete backup" in str(error)  # noqa: PT017 - not always raised
        return False
    return True


def restored(world):
    """Return a world on a copy of the backup, with the keys from their separate copy."""
    root = Path(f"{world.folder.root}-restored")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(world.folder.root / "backup", root)
    shutil.copytree(world.folder.keys, root / "keys")
    return world.on(StateFolder(root))


def prepare_rebuild(story):
    """Lose a database with more blobs than are recorded in one transaction."""
    for number in range(BLOBS):
        put(story.world, b"PK\x03\x04 blob %d" % number, days=1)
    (story.world.folder.root / "source").unlink()
    story.world.rebuild()
    story.job["rows"] = table_rows(story.world)
    for path in story.world.folder.root.glob("hening.sqlite*"):
        path.unlink()


def restart_rebuild(world, story):
    """Repeat the command; it records each row once, and publishing continues."""
    run_quietly(["rebuild", "--state", str(world.folder.root)])
    assert table_rows(world) == story.job["rows"]
    assert world.run(Publisher.repair) is None


def table_rows(world):
    """Return the log, blobs and submissions of the database, without the times of their rows."""
    return tuple([list(row) for row in each] for each in rows(world))


PREPARATIONS = {
    "backup": prepare_backup,
    "rebuild": prepare_rebuild,
    "garbage": prepare_garbage,
    "export": prepare_export,
    "publish": prepare_publish,
    "roll out": prepare_roll_out,
    "halt": prepare_halt,
    "new keys": prepare_nothing,
    "upload": prepare_upload,
    "webhook": prepare_webhook,
}
RESTARTS = {
    "backup": restart_backup,
    "rebuild": restart_rebuild,
    "garbage": restart_garbage,
    "export": restart_export,
    "publish": restart_publish,
    "roll out": restart_roll_out,
    "halt": restart_halt,
    "new keys": restart_new_keys,
    "upload": restart_upload,
    "webhook": restart_webhook,
}
