"""Two publishers of a site, of which only one has the next keys."""

import asyncio
import time

import pytest

from server.publisher.keys.online_keys import load_online_keys
from server.publisher.keys.rotation import make_next_keys
from server.publisher.maintenance.check import check_state
from server.publisher.publisher import Publisher
from server.publisher.s3_inbox import S3Inbox
from server.storage.database import open_database
from server.storage.errors import StorageError
from tests.server.ceremony import write_bundle
from tests.server.world import CHANNEL, halt, refresh_from_disk

REASON = (
    "this server's key for timestamp is not among those that root allows: a publisher of the site"
    " that has it is needed; copy its keys/ to this machine."
)
pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]


@pytest.fixture
def machines(site):
    """Return two machines, of which only the first has the next timestamp key."""
    one, two = site.first, site.machine("two", site.first)
    one.run(lambda publisher: make_next_keys(publisher, one.folder, ["timestamp"]))
    for world in (one, two):
        world.inbox = S3Inbox(site.tree, world.folder, time.monotonic)
    two.run(Publisher.repair)
    return one, two


def rotate(world, folder):
    """Hand in a root that names the next timestamp key, and return the bundle's id."""
    key = load_online_keys(world.folder.keys).next_signers["timestamp"].public_key
    root = world.ceremony.root(2, {"timestamp": [key]})
    folder.mkdir()
    bundle = write_bundle(folder, {("root", 2): root}, {})
    world.inbox.hand_in(folder / bundle, bundle, "0" * 16)
    return bundle


def waiting(world):
    """Return the findings of `check` about waiting bundles on a machine."""

    async def find():
        async with open_database(world.folder.database) as sessions:
            found = await check_state(world.folder, sessions, world.blobs, world.now(), deep=False)
        return [each.error for each in found if each.subject == "waiting bundles"]

    return asyncio.run(find())


def test_bundle_waits_for_the_publisher_with_the_key(machines, tmp_path):
    """A publisher without the key postpones the bundle and says why; the other publishes it."""
    one, two = machines
    assert waiting(two) == [""]
    bundle = rotate(one, tmp_path / "client")
    assert two.run(Publisher.process_incoming) == []
    (alarm,) = two.alarms
    assert alarm == f"the bundle {bundle[:16]} is tried again later: {REASON}"
    assert waiting(two) == [f"the bundle {bundle[:16]} waits: {REASON}"]
    one.inbox.folders()  # looks now instead of within a second
    (result,) = one.run(Publisher.process_incoming)
    assert (result.id, result.reason) == (bundle, "")
    two.inbox.folders()
    assert two.run(Publisher.process_incoming) == []
    assert waiting(two) == [""]
    assert two.inbox.waiting() == []
    assert one.alarms == []


def test_halt_waits_for_the_publisher_with_the_key(machines, tmp_path):
    """A publisher that cannot sign postpones a halt; the publisher with the key executes it."""
    one, two = machines
    rotate(one, tmp_path / "client")
    (result,) = one.run(Publisher.process_incoming)
    assert result.reason == ""
    with pytest.raises(StorageError, match="a publisher of the site that has it is needed"):
        two.run(lambda publisher: publisher.change_pointers(halt()))
    one.run(lambda publisher: publisher.change_pointers(halt()))
    assert one.published().pointers()[CHANNEL.pointer_path].halted


def test_publication_waits_for_the_publisher_with_the_log_key(site):
    """An accepted publication waits for the publisher that has the new root's log key."""
    one, two = site.first, site.machine("two", site.first)
    one.run(lambda publisher: make_next_keys(publisher, one.folder, ["log"]))
    key = load_online_keys(one.folder.keys).log_keys[1].verifier
    one.submit({("root", 2): one.ceremony.root(2, log=key)})
    one.stop_after(3, Publisher.process_incoming)
    with pytest.raises(StorageError, match="a publisher of the site that has it is needed"):
        two.run(Publisher.repair)
    one.run(Publisher.repair)
    assert one.published().root.version == 2
    refresh_from_disk(one.folder, [CHANNEL.pointer_path])
