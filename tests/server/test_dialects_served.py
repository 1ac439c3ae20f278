"""Dialects in a running server: lists follow publications, and each plane has its own paths."""

import asyncio
import contextlib
import http.client
import os
import socket
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import structlog

from fixtures.captures import ANDROID_ID, CARRIER, IMEI, SERIAL, SERVICE_TOKEN, USER_ID, miui_update
from server import dialect_serving
from server.app import running
from server.compat.lists import Lists
from server.compat.options import SENTENCE, ClientChannel, CompatOptions
from server.compat.rendering import render
from server.core.errors import FormatError
from server.device.documents import make_document
from server.device.snapshot import EMPTY
from server.dialect_export import GONE_LIST, export_dialects
from server.dialect_serving import DialectReadBack, Dialects, choose_paths, split_address
from server.http.requests import GateMode
from server.http.turns import LIMITS
from server.processes.delta import make_lists
from server.processes.messages import WorkerConfig
from server.processes.serving import Serving
from server.processes.sockets import bind_tcp
from server.settings import Settings
from server.settings_checks import check_dialects
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.server.ceremony import release
from tests.server.device.served import read_response, request, serve
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND

LIST = "/lineage/v1/FP4/nightly"
LABELS = {"lineage.version": "22.1"}
THIRD = "armani/id/stable/armani-3.zip"
PACKAGE_3 = PACKAGE_1 + b"3"


def config(chosen):
    """Return a worker's configuration with these dialects."""
    return WorkerConfig(GateMode.DIRECT, LIMITS, (), "", compat=chosen)


def options(port, **more):
    """Return settings for one device and channel, on a port."""
    values = {
        "listen": f"127.0.0.1:{port}",
        "public_url": f"http://127.0.0.1:{port}",
        "dialects": ("lineage1", "graphene"),
        "devices": {"FP4": "armani"},
        "channels": {"nightly": ClientChannel(region="id", channel="stable")},
    }
    return CompatOptions(**values | more)


def ask(port, data):
    """Send bytes over a new connection, and return the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        return read_response(connection)


async def get(port, path):
    """Return status and body of a path."""
    response = await asyncio.to_thread(ask, port, request(path))
    return response.status, response.body


def files(*counters):
    """Return three releases, the last two with labels; those in `counters` are withdrawn."""
    return {
        FIRST: (PACKAGE_1, release(1)),
        SECOND: (PACKAGE_2, release(2, labels=LABELS, withdrawn=2 in counters)),
        THIRD: (PACKAGE_3, release(3, labels=LABELS, withdrawn=3 in counters)),
    }


# Each request carries the serial number, which must not be stored or logged anywhere.
HOSTILE = [
    (request(f"{LIST}/{SERIAL}"), 200),  # old templates send the running build here
    (request(f"{LIST}/{SERIAL * 9}"), 400),
    (request(f"{LIST}?serial={SERIAL}"), 400),
    (request(f"/lineage/v1/{SERIAL}//nightly"), 400),
    (request(f"/lineage/v1/{SERIAL}/nightly"), 404),
    (request(f"/graphene/FP4-incremental-{SERIAL}-2.zip"), 404),
    (request(LIST, f"Cookie: serial={SERIAL}".encode()), 400),
    (request(LIST, f"X-Serial: {SERIAL}".encode()), 400),
    (request(LIST, f"User-Agent: {SERIAL}".encode()), 200),
    (f"{SERIAL} / HTTP/1.1\r\n\r\n".encode(), 400),
]


@pytest.fixture
def labelled(world):
    """Publish two releases with the labels that the dialects need, without an offer."""
    armani = {("armani", 3): world.ceremony.role("armani", 3, files())}
    assert world.publish(armani, [PACKAGE_2, PACKAGE_3]).reason == ""
    return world


@pytest.mark.parametrize("workers", [0, 2])
async def test_lists_follow_publications(labelled, workers):
    """A list follows offers and withdrawals; during a staged rollout it keeps the older build."""
    port = free_port()
    settings = Settings(port=0, workers=workers, compat=options(port))
    with structlog.testing.capture_logs() as logs:
        async with running(labelled.folder, settings, labelled.now, entropy=os.urandom) as phones:
            assert await get(port, LIST) == (200, b'{"response":[]}')

            async def change(counter, permille):
                async with labelled.publisher() as publisher:
                    await publisher.change_pointers(labelled.offer(counter, permille))

            async def offered(name):
                async with asyncio.timeout(PATIENCE):
                    while name.encode() not in (await get(port, LIST))[1]:  # noqa: ASYNC110 - a thread
                        await asyncio.sleep(0.02)

            await change(2, 1000)
            await offered("armani-2.zip")
            await change(3, 500)
            await offered("armani-2.zip")
            packages = (await asyncio.to_thread(labelled.snapshot)).packages.values()
            sha256 = next(each.sha256 for each in packages if each.length == len(PACKAGE_2))
            file = f"/lineage/files/FP4/{sha256}.armani-2.zip"
            assert await get(port, file) == (200, PACKAGE_2)
            gone = {("armani", 4): labelled.ceremony.role("armani", 4, files(2))}
            await asyncio.to_thread(labelled.submit, gone)
            await offered('"response":[]')
            assert (await get(port, file))[0] == 410
            # Neither plane answers the other's paths.
            assert (await get(phones, LIST))[0] == 400
            assert (await get(port, "/metadata/timestamp.json"))[0] == 400
    assert SENTENCE in {each["event"] for each in logs}
    assert [each for each in logs if each["event"] == "alarm"] == []


async def test_failed_rendering_offers_nothing(labelled):
    """If rendering fails, every list is its dialect's empty answer, and an alarm is raised.

    The former lists are not kept, because they could offer a release that was halted since.
    """
    await asyncio.to_thread(labelled_offer, labelled)
    snapshot = await asyncio.to_thread(labelled.snapshot)
    role = "/metadata/3.armani.json"
    spoiled = make_document(role, b"{}", mutable=False)
    broken = replace(snapshot, documents={**snapshot.documents, role: spoiled})
    shown = []

    async def show(rendered):
        shown.append({path: each.body for path, each in rendered.contents.items()})
        await asyncio.sleep(0)

    chosen = options(1, devices={"FP4": "armani", "FP5": "no-such-model"})
    dialects = Dialects(chosen, labelled.now, show)
    with structlog.testing.capture_logs() as logs:
        await dialects.show(EMPTY)  # before the first publication
        assert logs == []
        await dialects.show(broken)
    (alarm,) = logs
    assert alarm["error"].startswith("the dialects offer nothing: ")
    assert dialects.rendered.version == 0  # the read-back reports this, too
    for lines in shown:
        assert lines == {
            f"/{where}": body
            for name in ("FP4", "FP5")
            for where, body in (
                (f"lineage/v1/{name}/nightly", b'{"response":[]}'),
                (f"graphene/{name}-nightly", f"0 0 {name} nightly\n".encode()),
            )
        }


async def test_miui_request_leaves_no_trace(labelled, capfd, no_blocking_calls):
    """A MIUI request with identifiers is refused, and none of them is stored or logged.

    Refusals of other hostile requests leave nothing either. The answer does not wait for the body.
    """
    # The metrics server's thread is joined at the end.
    locks = no_blocking_calls.functions["threading.Lock.acquire"]
    locks.can_block_in("server/health.py", "serving_health")
    port = free_port()
    settings = Settings(port=0, compat=options(port), metrics_port=free_port())
    data = miui_update()
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    async with running(labelled.folder, settings, labelled.now, entropy=os.urandom) as phones:
        for each in (port, phones):
            for sent in (data, head):  # the server answers without the body, too
                response = await asyncio.to_thread(ask, each, sent)
                assert (response.status, response["Connection"]) == (400, "close")
                assert response["Content-Type"] == "application/problem+json"
        for hostile, status in HOSTILE:
            assert (await asyncio.to_thread(ask, port, hostile)).status == status, hostile
        metrics = await asyncio.to_thread(read_metrics, settings.metrics_port)
    output = "".join(capfd.readouterr()) + metrics
    kept = await asyncio.to_thread(read_all, labelled.folder.root)
    assert 'hening_compat_refusals_total{reason="method"} 2.0' in metrics
    body = data.partition(b"\r\n\r\n")[2].decode()
    for field in (ANDROID_ID, CARRIER, IMEI, SERIAL, SERVICE_TOKEN, USER_ID, "miotaV3", body):
        assert field not in output, field
        assert not any(field.encode() in each for each in kept), field


def read_all(folder):
    """Return the bytes of every file below a folder."""
    return [path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()]


def read_metrics(port):
    """Return the metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def test_device_plane_refuses_dialect_paths(labelled):
    """The device plane refuses every path of every dialect."""
    with serve(labelled.folder) as served:
        for path in (
            *(LIST, "/lineage/v2/devices/FP4/builds", "/graphene/FP4-nightly"),
            *("/calyx/FP4-nightly", "/custota/FP4.json", "/crdroid/FP4.json", "/pe/FP4/14"),
            f"/lineage/files/FP4/{'0' * 64}.armani-1.zip",
        ):
            assert served.get(path).status == 400, path


async def test_read_back_names_the_failing_dialect(labelled):
    """Read-back names the dialect that fails and those that answer; otherwise it is silent."""
    await asyncio.to_thread(labelled_offer, labelled)
    alarms, port = [], free_port()
    chosen = options(port)
    blobs = LocalBlobs(labelled.folder.blobs)
    serving = Serving(config(chosen), blobs, lambda: labelled.now().timestamp())
    shown = []

    async def show(rendered):
        shown.append(make_lists(rendered))
        await serving.show_lists(shown[-1])

    dialects = Dialects(chosen, labelled.now, show)
    snapshot = await asyncio.to_thread(labelled.snapshot)
    sockets = await asyncio.to_thread(bind_tcp, "127.0.0.1", port, 1)
    async with serving.listening((), (), sockets):
        await dialects.show(snapshot)
        read_back = dialects.read_back(alarms.append)
        await read_back.check(snapshot.version)
        assert alarms == []
        for path in [path for path in shown[-1].contents if path.startswith("/graphene")]:
            shown[-1].change({path: None})
        again = DialectReadBack(
            chosen, lambda: dialects.rendered, lambda: labelled.now().timestamp(), alarms.append, 0
        )
        await again.check(snapshot.version)
    (alarm,) = alarms
    assert alarm.startswith(f"dialect graphene: http://127.0.0.1:{port}/graphene/FP4-nightly")
    assert alarm.endswith("answers 404, while lineage1 answer.")
    for each in sockets:
        each.close()
    await again.check(snapshot.version)
    assert "does not answer" in alarms[-1]


async def test_read_back_waits_for_the_workers(labelled, monkeypatch):
    """Read-back repeats a request for a new path until the workers serve it."""
    monkeypatch.setattr(dialect_serving, "PAUSE_SECONDS", 0)
    await asyncio.to_thread(labelled_offer, labelled)
    alarms, port, clock = [], free_port(), lambda: labelled.now().timestamp()
    chosen = options(port)
    found = await asyncio.to_thread(rendered, labelled, public_url=chosen.public_url)
    serving = Serving(config(chosen), LocalBlobs(labelled.folder.blobs), clock)
    read_back = DialectReadBack(chosen, lambda: found, clock, alarms.append, PATIENCE)
    sockets = await asyncio.to_thread(bind_tcp, "127.0.0.1", port, 1)
    async with serving.listening((), (), sockets):
        await serving.show_lists(Lists())
        looking = asyncio.create_task(read_back.check(found.version))
        async with asyncio.timeout(PATIENCE):
            while not serving.compat_counts.answers[404]:  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.01)
        await serving.show_lists(make_lists(found))
        await looking
    for each in sockets:
        each.close()
    assert alarms == []


def labelled_offer(world):
    """Offer release 2 to the whole fleet."""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))


def rendered(world, **more):
    """Render the dialects' lists from the public state."""
    snapshot = world.snapshot()
    return render(options(1, **more), snapshot, world.epoch())


def test_read_back_requests_changed_lists_and_each_dialect(labelled):
    """Read-back requests changed lists, and at least one list of each dialect.

    If no list changed, it requests one list and one package of each dialect.
    """
    before = rendered(labelled).contents
    labelled_offer(labelled)
    after = rendered(labelled).contents
    asked = [(name, path) for name, path, _ in choose_paths(options(1), before, after)]
    assert asked[0] == ("lineage1", LIST)
    assert {name for name, _ in asked} == {"lineage1", "graphene"}
    same = list(choose_paths(options(1), after, after))
    assert len(same) == 4


def test_rendering_follows_the_schedule_and_expires(labelled):
    """A list changes at the second of the signed schedule, and is empty from the expiry on."""
    labelled_offer(labelled)
    start = labelled.epoch() + 500

    def edit(published):
        pointers = labelled.offer(3)(published)
        (path,) = pointers
        schedule = [(labelled.epoch(), 10), (start, 1000)]
        return {path: msgspec.structs.replace(pointers[path], schedule=schedule)}

    labelled.run(lambda publisher: publisher.change_pointers(edit))
    found = rendered(labelled)
    assert b"armani-2.zip" in found.at(start - 1)[LIST].body
    assert b"armani-3.zip" in found.at(start)[LIST].body
    expiry = found.changes[-1][0]
    assert 0 < expiry - labelled.epoch() <= 86_400
    assert b"armani-3.zip" in found.at(expiry - 1)[LIST].body
    assert found.at(expiry)[LIST].body == b'{"response":[]}'
    assert found.at(expiry)["/graphene/FP4-nightly"].body == b"0 0 FP4 nightly\n"


def test_rendering_reuses_decoded_roles(labelled):
    """Rendering the same versions again reuses the decoded roles."""
    snapshot = labelled.snapshot()
    first = render(options(1), snapshot, 0)
    second = render(options(1), snapshot, 0, first)
    (key,) = first.roles
    assert second.roles[key] is first.roles[key]


def test_check_reports_dialects_and_missing_labels(labelled):
    """`check` reports the dialects in use and each label that a release lacks.

    Without dialects it reports nothing.
    """
    labelled_offer(labelled)
    blobs = LocalBlobs(labelled.folder.blobs)

    def look(chosen):
        return list(check_dialects(labelled.folder, chosen, blobs, labelled.epoch()))

    assert look(CompatOptions()) == []
    sentence, spoken = look(options(1))
    assert (sentence.detail, spoken.error) == (SENTENCE, "")
    _, *wrong = look(options(1, dialects=("crdroid",)))
    assert [each.error for each in wrong] == [
        f"crdroid: {SECOND} has no label {label}." for label in ("crdroid.version", "md5")
    ]


def test_export_equals_the_rendering(labelled, tmp_path):
    """The export has the rendered lists and the packages as files.

    A second run writes nothing. Withdrawn packages are removed and listed as gone.
    """
    labelled_offer(labelled)
    out, blobs, now = tmp_path / "out", LocalBlobs(labelled.folder.blobs), labelled.epoch()
    done = export_dialects(labelled.folder, blobs, options(1), out, now)
    contents = rendered(labelled).contents
    assert done.files == done.written == len(contents)
    assert (out / "files" / LIST[1:]).read_bytes() == contents[LIST].body
    assert (out / "files/graphene/FP4-ota_update-2.zip").read_bytes() == PACKAGE_2
    assert done.next_change > now
    again = export_dialects(labelled.folder, blobs, options(1), out, now)
    assert (again.written, again.removed) == (0, 0)
    gone = {("armani", 4): labelled.ceremony.role("armani", 4, files(2))}
    assert labelled.publish(gone).reason == ""
    last = export_dialects(labelled.folder, blobs, options(1), out, now)
    assert last.removed == 2
    lines = (out / GONE_LIST).read_text().splitlines()
    assert "location = /graphene/FP4-ota_update-2.zip { return 410; }" in lines
    assert (out / "files" / LIST[1:]).read_bytes() == b'{"response":[]}'
    with pytest.raises(FormatError, match="no dialect"):
        export_dialects(labelled.folder, blobs, CompatOptions(), out, now)


@pytest.mark.parametrize("listen", ["", "8443", ":8443", "a:b", "a:65536", "a:"])
def test_malformed_listening_addresses_are_refused(listen):
    """A malformed listening address is refused, and the message shows the right form."""
    with pytest.raises(FormatError, match="write ADDRESS:PORT"):
        split_address(listen)
    assert split_address("[::1]:8443") == ("::1", 8443)
