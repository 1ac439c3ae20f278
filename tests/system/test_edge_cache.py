"""Which answers the nginx edge caches, for how long, and how often it asks the origin."""

import asyncio
import contextlib
import os
import re
import select
import ssl
import struct

import pytest

from server.app import running
from server.http.requests import GateMode
from server.settings import Settings
from tests.edge import BIG, BLOCK, CLEAN, Edge, package_of, run_edge_before
from tests.nginx import run_edge
from tests.patience import PATIENCE
from tests.recording_relay import DAY, Relay
from tests.server.device.served import read_response, request
from tests.server.release.certificate import write_certificate
from tests.server.world import PACKAGE_2

pytestmark = pytest.mark.needs("nginx")
TIMESTAMP, NEXT_ROOT = "/metadata/timestamp.json", "/metadata/2.root.json"
GZIP = b"Accept-Encoding: gzip"
CLIENTS = 200


@contextlib.contextmanager
def connected(edge, count):
    """Yield open connections; all are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(edge.connect()) for _ in range(count)]


def test_codings_share_two_entries(fresh_edge):
    """However many spellings of a coding clients use, the origin gets two requests."""
    for spelling in (b"gzip", b"br,gzip", b"gzip, x-canary", b"GZIP", b"br", b"identity", b"a, b"):
        fresh_edge.get("/metadata/1.root.json", b"Accept-Encoding: " + spelling)
    assert len(fresh_edge.relay.requests) == 2


def test_a_package_is_fetched_once_in_blocks(fresh_edge, big_state):
    """Phones request aligned blocks; the origin sends each once, as to a phone."""
    path = package_of(big_state)
    for _ in range(2):
        whole = b"".join(
            fresh_edge.get(path, b"Range: bytes=%d-%d" % (at, min(at + BLOCK, len(BIG)) - 1)).body
            for at in range(0, len(BIG), BLOCK)
        )
        assert whole == BIG
    assert fresh_edge.get(path).body == BIG
    assert fresh_edge.get(path, b"Range: bytes=4711-9999999").body == BIG[4711:10_000_000]
    asked = [re.search(rb"Range: bytes=(\d+)-", each)[1] for each in fresh_edge.relay.requests]
    assert asked == [b"0", b"8388608", b"16777216"]


def test_simultaneous_requests_are_one(fresh_edge):
    """200 simultaneous clients cause one request to the origin, during its answer and after it."""
    fresh_edge.relay.life = DAY  # reading all answers may take more than a second
    with connected(fresh_edge, CLIENTS) as connections:
        with fresh_edge.relay.holding():
            for connection in connections:
                connection.sendall(request(TIMESTAMP, GZIP))
            assert fresh_edge.relay.asked.acquire(timeout=PATIENCE)
        bodies = {read_response(connection).body for connection in connections}
    assert len(bodies) == 1
    assert len(fresh_edge.relay.requests) == 1


def test_one_request_at_expiry(fresh_edge):
    """After a minute one client's request is forwarded; all others are served meanwhile."""
    data = request(TIMESTAMP, GZIP)
    fresh_edge.get(TIMESTAMP, GZIP)
    fresh_edge.relay.forget()
    with (
        connected(fresh_edge, CLIENTS - 1) as connections,
        fresh_edge.relay.holding(),
        fresh_edge.until_asked(data) as first,
    ):
        for connection in connections:
            connection.sendall(data)
        bodies = {read_response(connection).body for connection in connections}
        assert len(fresh_edge.relay.requests) == 1
        assert not select.select([first], [], [], 0)[0]
        fresh_edge.relay.go_on()
        bodies.add(read_response(first).body)
    assert len(bodies) == 1
    assert b'If-None-Match: "sha256-' in fresh_edge.relay.requests[0]
    assert fresh_edge.relay.statuses == [b"304"]


def test_fast_path_answers_the_edge(fresh_edge, origin):
    """The fast path has prepared answers to nginx's requests and revalidations."""
    for path in (TIMESTAMP, NEXT_ROOT, "/metadata/1.root.json"):
        fresh_edge.get(path, GZIP)
    fresh_edge.until_asked(request(TIMESTAMP, GZIP)).close()
    assert set(fresh_edge.relay.requests) <= origin.plane.served.exact.keys()


def test_cache_lifetimes(origin, tmp_path):
    """The files of nginx's cache expire after a minute, or a year for immutable answers."""
    lives = {TIMESTAMP: 60, NEXT_ROOT: 60, "/metadata/1.root.json": 31_536_000}
    certificate, key, _ = write_certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    with run_edge(origin.port, certificate, key, tmp_path / "nginx") as port:
        edge = Edge(port, tmp_path / "nginx", Relay(), context)
        found = {}
        for path in lives:
            edge.get(path)
        for _, data in edge.kept():
            if b"\nKEY: /" not in data:
                continue
            # ngx_http_file_cache_header_t: version, valid_sec, updating_sec, error_sec,
            # last_modified, date; each of eight bytes.
            version, valid, _, _, _, date = struct.unpack_from("<6q", data)
            assert version == 5
            found[re.search(rb"\nKEY: (\S+)", data)[1].decode()] = valid - date
    # The rest is the time that the answer took to arrive here.
    assert all(0 <= found[path] - life < 60 for path, life in lives.items()), found


async def test_publication_reaches_clients(world, tmp_path):
    """The timestamp and the 404 of the next version are requested again after their minute."""
    settings = Settings(port=0, gate=GateMode.EDGE)
    async with running(world.folder, settings, world.now, entropy=os.urandom) as port:
        await asyncio.to_thread(check_publication, world, port, tmp_path)


def check_publication(world, port, folder):
    """Publish with an edge in front, and poll it until it answers with the new state."""
    with run_edge_before(port, folder) as edge:
        before = edge.get(TIMESTAMP, GZIP)
        assert edge.get("/metadata/3.armani.json", GZIP).status == 404
        world.submit(world.second_release(), [PACKAGE_2])
        while edge.get(TIMESTAMP, GZIP).body == before.body:
            pass
        while (response := edge.get("/metadata/3.armani.json", GZIP)).status == 404:
            pass
        assert response.status == 200
        for data in edge.relay.requests:
            assert CLEAN.fullmatch(data), data


def test_origin_unreachable(fresh_edge):
    """Cached answers are still served; others are a problem document that is not cached."""
    before = fresh_edge.get(TIMESTAMP, GZIP)
    fresh_edge.relay.is_away = True
    fresh_edge.relay.forget()
    fresh_edge.until_asked(request(TIMESTAMP, GZIP)).close()
    assert fresh_edge.get(TIMESTAMP, GZIP).body == before.body
    response = fresh_edge.get("/metadata/1.root.json", GZIP)
    assert (response.status, response["Content-Type"]) == (503, "application/problem+json")
    assert response["Cache-Control"] == "no-store"
    fresh_edge.relay.is_away = False
    assert fresh_edge.get("/metadata/1.root.json", GZIP).status == 200
