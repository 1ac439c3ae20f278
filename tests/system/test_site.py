"""A site of several machines: publisher and device nodes on PostgreSQL and S3."""

import asyncio
import contextlib
import json
import os
import socket
from datetime import timedelta

import obstore
import pytest
import structlog
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from server.app import running, running_device
from server.cli import cli
from server.core.names import decode_channel
from server.core.release import decode_releases
from server.device import snapshot
from server.device_serving import Inherited
from server.publisher.maintenance import garbage
from server.publisher.publisher import Publisher
from server.publisher.rollout import plan_offer
from server.settings import Node
from server.snapshot_watch import SnapshotWatch
from server.storage.s3_tree import open_s3_tree
from server.tree_watch import AGAIN_SECONDS, STALE_SECONDS, TreeWatch
from tests.fault_proxy import Fault, run_fault_proxy
from tests.patience import PATIENCE
from tests.server.ceremony import release
from tests.server.device.served import read_response, request
from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_1, PACKAGE_2, halt

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]
CANCRO = "cancro/id/stable/cancro-1.zip"
GZIP = b"Accept-Encoding: gzip"
STAMP = "/metadata/timestamp.json"


@contextlib.asynccontextmanager
async def devices(site, *folders):
    """Run a device node on each folder; yields their ports."""
    async with contextlib.AsyncExitStack() as stack:
        ports = []
        for folder in folders:
            node = running_device(
                folder,
                site.settings(Node.DEVICE),
                site.first.now,
                Inherited((), {}, asyncio.Event()),
            )
            ports.append(await stack.enter_async_context(node))
        yield ports


def ask(port, path, *lines):
    """Send a request to a node; returns its response."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(request(path, GZIP, *lines))
        return read_response(connection)


async def get(port, path, *lines):
    """Call `ask` in a thread."""
    return await asyncio.to_thread(ask, port, path, *lines)


async def until(condition):
    """Wait until an awaitable condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - other threads and processes set no event
            await asyncio.sleep(0.02)


async def test_publication_is_served_by_other_machines(site):
    """A device node needs the pinned root only; a publisher node continues from shared state."""
    one, two = site.device("one"), site.device("two")
    publisher = site.machine("publisher", site.first)
    async with devices(site, one, two) as (port, other):
        await until(lambda: serves(port, STAMP))
        settings = site.settings(Node.PUBLISHER, public_url=f"http://127.0.0.1:{port}")
        with structlog.testing.capture_logs() as logs:
            async with running(publisher.folder, settings, publisher.now, entropy=os.urandom) as no:
                assert no == 0
                second = publisher.second_release()
                bundle = await asyncio.to_thread(publisher.submit, second, [PACKAGE_2])
                result = publisher.folder.results / f"{bundle}.json"
                await until(lambda: asyncio.to_thread(result.exists))
        assert (await asyncio.to_thread(publisher.result, bundle)).reason == ""
        assert [each for each in logs if each["log_level"] in {"error", "warning"}] == []
        for node in (port, other):
            assert await serves(node, "/metadata/3.armani.json")
            assert not await serves(node, "/metadata/2.root.json")
    present = {path.name for path in one.root.iterdir()}
    assert present == {"good", "public", "tree.lock", "trusted"}


async def test_node_without_store(site, seaweed):
    """The node keeps serving, also after a restart, and updates once the store is back."""
    with run_fault_proxy(seaweed.port) as proxy:
        folder = site.behind(site.device("one"), proxy)
        async with devices(site, folder) as (port,):
            await until(lambda: serves(port, STAMP))
            before = await get(port, STAMP)
        proxy.fault = Fault.CLOSE
        with structlog.testing.capture_logs() as logs:
            async with devices(site, folder) as (port,):
                assert (await get(port, STAMP)).body == before.body
                await asyncio.to_thread(site.first.run, offer_no_more)
                await until(lambda: says(logs, "the shared tree cannot be read"))
                assert (await get(port, STAMP)).body == before.body
                proxy.fault = Fault.NONE
                await until(lambda: differs(port, before))


async def test_node_with_forged_store(site):
    """Files with invalid signatures are never served; after a restart the last good state is."""
    folder = site.device("one")
    async with devices(site, folder) as (port,):
        await until(lambda: serves(port, STAMP))
        before = await get(port, STAMP)
        right = site.read("tree/metadata/timestamp.json")
        with structlog.testing.capture_logs() as logs:
            at = right.index(b'"sig":"') + 7
            forged = right[:at] + (b"1" if right[at : at + 1] == b"0" else b"0") + right[at + 1 :]
            await asyncio.to_thread(site.write, "tree/metadata/timestamp.json", forged)
            await until(lambda: says(logs, "the last good one is served"))
        assert (await get(port, STAMP)).body == before.body
    async with devices(site, folder) as (port,):
        assert (await get(port, STAMP)).body == before.body
        await asyncio.to_thread(site.write, "tree/metadata/timestamp.json", right)
        await asyncio.to_thread(site.first.run, offer_no_more)
        await until(lambda: differs(port, before))


@pytest.mark.parametrize("cleans", [False, True], ids=["publisher", "device"])
async def test_superseded_files(site, monkeypatch, cleans):
    """A device node removes superseded files from its copy, a publisher's drain everywhere.

    Here one superseded version stays served, in place of eight.
    """
    for module in (snapshot, garbage):
        monkeypatch.setattr(module, "SUPERSEDED", 1)
    first = site.first
    for number in range(2, 5):
        role = {("tables", number): first.ceremony.role("tables", number)}
        assert (await asyncio.to_thread(first.publish, role)).reason == ""
    folder = site.device("one") if cleans else first.folder
    now = [0.0]
    watch, tree = SnapshotWatch(folder, site.blobs, ignore), open_s3_tree(folder)
    TreeWatch(folder, tree, watch, CollectorRegistry(), lambda: now[0], cleans=cleans)
    await asyncio.to_thread(tree.follow)
    now[0] = 3600.0
    await watch.poll()
    assert await asyncio.to_thread(has_first_tables, folder) != cleans
    first.ahead = timedelta(hours=2)
    assert await asyncio.to_thread(first.run, Publisher.drain) > 0
    assert not await asyncio.to_thread(has_first_tables, first.folder)
    names = await asyncio.to_thread(site.names, "tree/metadata")
    assert "tree/metadata/1.tables.json" not in names


async def ignore(_snapshot):
    """Do nothing with a new snapshot."""


def has_first_tables(folder):
    """Return whether a copy has a file that was superseded."""
    return (folder.public / "metadata" / "1.tables.json").exists()


async def test_readiness_with_forged_store(site):
    """If a node cannot serve the store's content, its readiness says so."""
    folder, now = site.device("one"), [0.0]
    shown = []

    async def show(snapshot):  # noqa: RUF029 - the watch requires it
        shown.append(snapshot.version)

    watch, tree = SnapshotWatch(folder, site.blobs, show), open_s3_tree(folder)
    follower = TreeWatch(folder, tree, watch, CollectorRegistry(), lambda: now[0], cleans=True)

    async def look(moment):
        now[0] = moment
        await follower.refresh()
        await watch.poll()
        return follower.reasons()

    await look(10)
    assert await look(20) == []
    forged = site.read("tree/metadata/timestamp.json").replace(b'"sig":"', b'"sig":"00')
    await asyncio.to_thread(site.write, "tree/metadata/timestamp.json", forged)
    assert await look(30) == []
    assert await look(40) == []
    (reason,) = await look(61)
    assert reason.startswith("the shared tree could not be served for 31 s: timestamp")
    assert shown == [watch.current.version]


async def test_repaired_store(site):
    """A copy with a forged root recovers a minute after the store has the right one."""
    folder, now = site.device("one"), [0.0]
    watch, tree = SnapshotWatch(folder, site.blobs, ignore), open_s3_tree(folder)
    follower = TreeWatch(folder, tree, watch, CollectorRegistry(), lambda: now[0], cleans=True)
    root, junk = {("root", 2): site.first.ceremony.root(2)}, "tree/metadata/2.root.json"
    await follower.refresh()
    await watch.poll()
    before = watch.current.version
    await asyncio.to_thread(site.write, junk, b"{}")
    await asyncio.to_thread(site.first.run, offer_no_more)
    await follower.refresh()
    await asyncio.to_thread(obstore.delete, site.store(), junk)
    assert (await asyncio.to_thread(site.first.publish, root)).reason == ""
    await follower.refresh()
    await watch.poll()
    assert "root" in watch.complaint
    now[0] = AGAIN_SECONDS
    await follower.refresh()
    await watch.poll()
    assert (watch.complaint, watch.current.version) == ("", before + 2)


async def test_too_large_object(site):
    """The node serves everything else, also later publications, and logs the object once."""
    await asyncio.to_thread(site.write, "tree/metadata/8.huge.json", bytes(6_000_000))
    with structlog.testing.capture_logs() as logs:
        async with devices(site, site.device("one")) as (port,):
            await until(lambda: serves(port, STAMP))
            before = await get(port, STAMP)
            await asyncio.to_thread(site.first.run, offer_no_more)
            await until(lambda: differs(port, before))
    said = [each["error"] for each in logs if each["log_level"] == "error"]
    assert said == ["tree/metadata/8.huge.json in the S3 store is over its limit of 5000000 bytes."]


async def test_rolled_back_store(site):
    """A node keeps its newer timestamp, and logs that the store has an older one."""
    older = site.read("tree/metadata/timestamp.json")
    folder = site.device("one")
    await asyncio.to_thread(site.first.run, offer_no_more)
    async with devices(site, folder) as (port,):
        await until(lambda: serves(port, STAMP))
        before = await get(port, STAMP)
        with structlog.testing.capture_logs() as logs:
            await asyncio.to_thread(site.write, "tree/metadata/timestamp.json", older)
            await until(lambda: says(logs, "the shared tree cannot be read"))
        assert "it was restored from an older copy" in str(logs)
        assert (await get(port, STAMP)).body == before.body


async def test_readiness_after_start_and_disconnection(site):
    """A node is ready once it serves the store's state, after its start or a disconnection."""
    folder, now = site.device("one"), [0.0]

    async def show(_snapshot):  # noqa: RUF029 - as workers are shown one
        return

    watch = SnapshotWatch(folder, site.blobs, show)
    tree = await asyncio.to_thread(open_s3_tree, folder)
    node = TreeWatch(folder, tree, watch, CollectorRegistry(), lambda: now[0], cleans=True)
    for cut_off in (False, True):
        now[0] += 2 * STALE_SECONDS if cut_off else 0
        assert node.reasons() != []
        await node.refresh()
        assert node.reasons() != []  # it has the snapshot, but serves none or an older one
        await watch.poll()
        await node.refresh()
        assert node.reasons() == []
        await asyncio.to_thread(site.first.run, offer_no_more if cut_off else offer_again)
        await node.refresh()
        assert node.reasons() == []  # a publication takes no node out of rotation


async def test_command_after_publication_elsewhere(site):
    """A control node knows the last publication, whatever its copy has."""
    control = site.machine("control", site.first)
    await asyncio.to_thread(open_s3_tree(control.folder).follow)
    async with api_world(control) as api:
        second = site.first.second_release()
        result = await asyncio.to_thread(site.first.publish, second, [PACKAGE_2])
        assert result.reason == ""
        answer = await api.call(
            "POST",
            "/channels/armani/id/stable/offer",
            body={"plan": {"stages": [{"permille": 1000}]}, "counter": 2},
            headers={"If-Match": "*"},
        )
        assert (answer.status, answer.json["change"]["state"]) == (200, "done")


async def test_halt_after_publication_elsewhere(site):
    """A halt is accepted although the node's copy lacks the offer that is to be halted."""
    control = site.machine("control", site.first)
    await asyncio.to_thread(open_s3_tree(control.folder).follow)
    async with api_world(control) as api:
        role = site.first.ceremony.role("cancro", 2, {CANCRO: (PACKAGE_1, release(1))})
        result = await asyncio.to_thread(site.first.publish, {("cancro", 2): role}, [PACKAGE_1])
        assert result.reason == ""
        other = await asyncio.to_thread(offer_cancro, site.first)
        answer = await api.call("POST", "/channels/cancro/id/stable/halt", body={})
        assert (answer.status, answer.json["channel"]["state"]) == (200, "halted")
        assert answer.json["change"]["snapshot"] == other + 1


async def test_halt_after_new_offer_elsewhere(site):
    """A halt is not taken for a repetition of the halt that the node's copy still shows."""
    first, control = site.first, site.machine("control", site.first)
    await asyncio.to_thread(open_s3_tree(control.folder).follow)
    async with api_world(control) as api:
        url = "/channels/armani/id/stable/halt"
        before = await api.call("POST", url, body={})
        assert before.status == 200
        result = await asyncio.to_thread(first.publish, first.second_release(), [PACKAGE_2])
        assert result.reason == ""
        offered = await asyncio.to_thread(
            first.run, lambda publisher: publisher.change_pointers(first.offer(2))
        )
        answer = await api.call("POST", url, body={})
        assert (answer.status, answer.json["channel"]["state"]) == (200, "halted")
        assert answer.json["change"]["snapshot"] == offered + 1


def offer_cancro(world):
    """Offer a release in the other model's channel, and return the snapshot."""
    channel = decode_channel("cancro/id/stable")

    def edit(published):
        role = published.roles["cancro"]
        files = {path: (t.length, t.hashes["sha256"]) for path, t in role.targets.items()}
        now = world.epoch()
        found = decode_releases(role)
        pointer = plan_offer(channel, 1, found, files, [(now, 1000)], None, now)
        return {**published.pointers(), channel.pointer_path: pointer}

    return world.run(lambda publisher: publisher.change_pointers(edit))


async def test_command_without_store(site, seaweed):
    """A command is not refused because of an old copy: it gets 503, and can be sent again."""
    with run_fault_proxy(seaweed.port) as proxy:
        control = site.machine("control", site.first)
        control.folder = site.behind(control.folder, proxy)
        await asyncio.to_thread(open_s3_tree(control.folder).follow)
        async with api_world(control) as api:
            second = site.first.second_release()
            await asyncio.to_thread(site.first.publish, second, [PACKAGE_2])
            statuses = []
            for fault in (Fault.CLOSE, Fault.NONE):
                proxy.fault = fault
                answer = await api.call(
                    "POST",
                    "/channels/armani/id/stable/offer",
                    body={"plan": {"stages": [{"permille": 1000}]}, "counter": 2},
                    headers={"If-Match": "*"},
                )
                statuses.append(answer.status)
            assert statuses == [503, 200]


def test_database_commands_without_store(site):
    """A token is revoked and an account disabled while nothing can be published."""
    folder = site.machine("control", site.first).folder
    chosen = site.settings(Node.ALL)
    names = ("database_url", "tree_url", "blobs_url", "s3_key_id", "s3_secret")
    lines = [f'{name} = "{getattr(chosen, name)}"\n' for name in names]
    folder.settings.write_text("".join(lines) + 's3_endpoint = "http://127.0.0.1:9"\n')

    def give(*command):
        done = CliRunner().invoke(cli, [*command, "--state", str(folder.root)])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    give("account", "add", "ani", "--role", "engineer", "--codename", "armani")
    give("token", "create", "ani", "--label", "laptop")
    (token,) = json.loads(give("token", "list", "--json"))
    give("token", "revoke", token["id"])
    give("account", "disable", "ani")
    give("session", "list")
    assert "account.disable" in give("audit-log", "list")
    give("audit-log", "verify")


async def serves(port, path):
    """Return whether a node has a file."""
    return (await get(port, path)).status == 200


async def differs(port, before):
    """Return whether a node has another timestamp than `before`."""
    return (await get(port, STAMP)).body != before.body


async def says(logs, what):  # noqa: RUF029 - it is a condition for `until`
    """Return whether the log has an event that contains `what`."""
    return any(what in each["event"] for each in logs)


async def offer_no_more(publisher):
    """Halt the channel."""
    await publisher.change_pointers(halt())


async def offer_again(publisher):
    """Halt the halted channel with another reason."""
    await publisher.change_pointers(halt("It is hot."))
