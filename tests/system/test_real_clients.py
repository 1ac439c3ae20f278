"""Requests of curl and nginx to the device plane, each in its own form."""

import gzip
import subprocess

import pytest

from server.http.requests import GateMode
from tests.nginx import run_proxy
from tests.server.device.served import read_response, request, serve
from tests.server.device.test_answer import PACKAGE
from tests.server.device.test_wire import without_date
from tests.server.world import PACKAGE_1

TIMESTAMP = "/metadata/timestamp.json"


@pytest.fixture(scope="module")
def plane(published_state):
    """Yield a device plane for all clients."""
    with serve(published_state.folder) as served:
        yield served


@pytest.fixture(scope="module")
def edge_plane(published_state):
    """Yield a device plane for a proxy that adds headers."""
    with serve(published_state.folder, GateMode.EDGE) as served:
        yield served


def curl(served, *arguments, path=TIMESTAMP):
    """Run curl; returns its output."""
    command = ["curl", "-sS", "--max-time", "30", *arguments]
    address = f"http://127.0.0.1:{served.port}{path}"
    return subprocess.run([*command, address], capture_output=True, check=True).stdout


STATUS = ("-o", "/dev/null", "-w", "%{http_code} %{size_download} %{num_connects}\n")


@pytest.mark.needs("curl")
def test_curl_downloads(plane):
    """A file is fetched plain, compressed, and in part."""
    body = plane.get(TIMESTAMP).body
    assert curl(plane) == curl(plane, "--compressed") == body
    assert gzip.decompress(curl(plane, "-H", "Accept-Encoding: gzip")) == body
    assert curl(plane, path=PACKAGE) == PACKAGE_1
    assert curl(plane, "-r", "5-99", path=PACKAGE) == PACKAGE_1[5:100]
    assert curl(plane, "-r", "-7", path=PACKAGE) == PACKAGE_1[-7:]


@pytest.mark.needs("curl")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        *((("-I",), "200"), (("--http1.0",), "200"), (("-H", "Connection: close"), "200")),
        *((("-z", "2044-01-01"), "200"), (("-H", "Accept-Language: id"), "200")),
        *((("-e", "https://a.example/"), "200"), (("-A", "Mozilla/5.0"), "200")),
        *((("-d", "imei=1"), "400"), (("-X", "DELETE"), "400"), (("-T", "/dev/null"), "400")),
        *((("-b", "id=1"), "400"), (("-u", "a:b"), "400"), (("-H", "X-Imei: 1"), "400")),
        *((("--http2",), "400"), (("-G", "-d", "imei=1"), "400"), (("-X", "OPTIONS"), "400")),
    ],
)
def test_curl_options(plane, arguments, status):
    """Common options of curl are answered or refused as in the gate's table."""
    assert curl(plane, *arguments, *STATUS).decode().split(" ")[0] == status


@pytest.mark.needs("curl")
def test_curl_entity_tag(plane, tmp_path):
    """A request with the stored tag gets a 304."""
    kept = str(tmp_path / "tag")
    assert curl(plane, "--etag-save", kept, *STATUS).startswith(b"200 ")
    assert curl(plane, "--etag-compare", kept, *STATUS).startswith(b"304 0 ")


@pytest.mark.needs("curl")
def test_curl_resumes_download(plane, tmp_path):
    """An interrupted download is completed."""
    part = tmp_path / "part"
    part.write_bytes(PACKAGE_1[:4711])
    curl(plane, "-C", "-", "-o", str(part), path=PACKAGE)
    assert part.read_bytes() == PACKAGE_1


@pytest.mark.needs("curl")
def test_curl_reuses_connection(plane):
    """Three addresses need one connection, on the fast path and on the fallback alike."""
    other = [f"http://127.0.0.1:{plane.port}{path}" for path in (PACKAGE, "/metadata/9.root.json")]
    sinks = ["-o", "/dev/null"] * 2
    told = curl(plane, *STATUS, *sinks, *other).decode().splitlines()
    assert sorted(line.split(" ")[0] for line in told) == ["200", "200", "404"]
    assert sum(int(line.split(" ")[2]) for line in told) == 1


@pytest.mark.needs("nginx")
def test_nginx_proxy(edge_plane, tmp_path):
    """Through a plain proxy, which adds headers and reuses connections, answers are the same."""
    with run_proxy(edge_plane.port, tmp_path / "nginx") as port:
        proxied = type(edge_plane)(port, edge_plane.registry, edge_plane.plane)
        for path, *lines in (
            (TIMESTAMP,),
            (TIMESTAMP, b"Accept-Encoding: gzip"),
            (TIMESTAMP, b"If-None-Match: *"),
            ("/metadata/9.root.json",),
            (PACKAGE,),
            (PACKAGE, b"Range: bytes=5-99"),
            (PACKAGE, b"Range: bytes=99999999-"),
            (TIMESTAMP, b"Cookie: a=1"),
            (f"{TIMESTAMP}?a",),
        ):
            there, here = proxied.get(path, *lines), edge_plane.get(path, *lines)
            assert meant(there) == meant(here), (path, lines)
        with proxied.connect() as connection:
            for _ in range(3):
                connection.sendall(request(TIMESTAMP) + request(PACKAGE))
                assert read_response(connection).status == 200
                assert read_response(connection).body == PACKAGE_1


def meant(response):
    """Return a response without its hop-by-hop headers, `Server` and `Date`."""
    status, headers, body = without_date(response)
    return status, {each for each in headers if each[0] not in {"Connection", "Server"}}, body
