"""Stories in which a process is killed: what that process does."""

import asyncio
import contextlib
import io
import itertools
import sys

from prometheus_client import CollectorRegistry

from server.cli import main
from server.publisher.keys.online_keys import HOLDERS
from server.publisher.keys.rotation import make_next_keys
from server.publisher.mirror.folder import MirrorFolder
from server.publisher.mirror.steps import export_mirror
from server.release.rollouts.commands import Halt, Offer
from server.release.rollouts.plan import Plan, Stage
from server.release.webhooks.change_detector import ChangeDetector
from server.release.webhooks.delivery import WebhookDelivery, WebhookMetrics
from server.release.webhooks.sender import Sender
from server.storage.database import open_database
from server.storage.local_blobs import LocalBlobs
from tests.crash.sender import ROOMY, send_rest
from tests.server.release.rollouts.harness import open_harness as open_rollouts_harness
from tests.server.release.uploads.harness import open_harness

OFFER = Offer(2, Plan([Stage(10)]))


def change_id(size):
    """Return an id that no command before the story had."""
    return b"\x0d" * size


@contextlib.asynccontextmanager
async def webhook_processes(world, alarms):
    """Yield the change detector and webhook delivery of one process."""
    numbers = itertools.count()
    async with open_database(world.folder.database) as sessions:
        sender = Sender(private=True)
        metrics = WebhookMetrics(CollectorRegistry())
        entropy = lambda count: next(numbers).to_bytes(count)  # noqa: E731
        yield (
            ChangeDetector(world.folder.public, sessions, world.epoch),
            WebhookDelivery(sessions, sender, world.epoch, entropy, alarms.append, metrics),
        )


async def publish(world, _job, start):
    """Publish a bundle from `incoming`."""
    async with world.publisher() as publisher:
        start()
        await publisher.process_incoming()


async def change_keys(world, _job, start):
    """Make next keys that are not listed yet."""
    async with world.publisher() as publisher:
        start()
        await make_next_keys(publisher, world.folder, HOLDERS)


async def roll_out(world, _job, start):
    """Request a rollout of the second release to a part of the fleet."""
    async with open_rollouts_harness(world) as harness:
        harness.rollouts._entropy = change_id
        tag = await harness.tag()
        start()
        await harness.request(OFFER, if_match=tag)


async def halt(world, _job, start):
    """Request a halt of the offer; another command is scheduled."""
    async with open_rollouts_harness(world) as harness:
        harness.rollouts._entropy = change_id
        start()
        await harness.request(Halt(), if_match="*")


async def upload(world, job, start):
    """Send the rest of an upload with a checksum."""
    async with open_harness(world.folder.root) as harness:
        start()
        harness.numbers = 1
        harness.restart(ROOMY)
        await send_rest(harness, {**job, "checksum": True}, lambda: None)


async def deliver(world, _job, start):
    """Detect new publications and deliver them to a webhook."""
    async with webhook_processes(world, []) as (detector, deliverer):
        start()
        await detector.detect()
        await deliverer.deliver_due()


async def export(world, _job, start):
    """Update a static mirror to the public state."""
    start()
    blobs = LocalBlobs(world.folder.blobs)
    out = MirrorFolder(world.folder.root / "mirror")
    await asyncio.to_thread(export_mirror, world.folder, blobs, out)


async def command(start, *arguments):
    """Run a command of the `hening-server` program."""
    start()
    await asyncio.to_thread(run_quietly, [*map(str, arguments)])


class CommandError(Exception):
    """A command ended with an exit status other than 0; the message has its output."""


def run_quietly(arguments):
    """Run a command as the shell does; its output is discarded unless it fails."""
    said = io.StringIO()
    sys.argv = ["hening-server", *arguments]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as error:
            if error.code:
                raise CommandError(said.getvalue().strip()) from None


async def collect(world, _job, start):
    """Remove blobs that nothing references."""
    await command(start, "gc", "--state", world.folder.root)


async def back_up(world, _job, start):
    """Update a backup to the present state."""
    out = world.folder.root / "backup"
    await command(start, "backup", "--state", world.folder.root, "--out", out)


async def rebuild(world, _job, start):
    """Rebuild a database that was lost."""
    await command(start, "rebuild", "--state", world.folder.root)


STORIES = {
    "garbage": collect,
    "backup": back_up,
    "rebuild": rebuild,
    "export": export,
    "publish": publish,
    "new keys": change_keys,
    "roll out": roll_out,
    "halt": halt,
    "upload": upload,
    "webhook": deliver,
}
