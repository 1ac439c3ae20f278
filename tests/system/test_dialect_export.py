"""Exported dialects on a real nginx get the same answers as from the dialects' plane."""

import socket

import pytest

from server.compat.pages import Page
from server.dialect_export import export_dialects
from server.storage.local_blobs import LocalBlobs
from tests.nginx import run_dialects
from tests.patience import PATIENCE
from tests.server.compat.served import serve_contents
from tests.server.device.served import read_response, request
from tests.server.test_dialects_served import (
    LIST,
    PACKAGE_3,
    files,
    labelled_offer,
    options,
    rendered,
)
from tests.server.world import PACKAGE_2

pytestmark = pytest.mark.needs("nginx")
APP = b"User-Agent: Dalvik/2.1.0 (Linux; U; Android 16; FP4 Build/BP4A)"
UNSAID = {"Date", "Server", "Connection", "Accept-Ranges"}
ALL = ("lineage1", "lineage2", "graphene", "calyx")


@pytest.fixture
def both(world, tmp_path):
    """Yield the port of nginx, the plane that serves the same map, and the map."""
    armani = {("armani", 3): world.ceremony.role("armani", 3, files())}
    assert world.publish(armani, [PACKAGE_2, PACKAGE_3]).reason == ""
    labelled_offer(world)
    gone = {("armani", 4): world.ceremony.role("armani", 4, files(3))}
    assert world.publish(gone).reason == ""
    chosen = options(1, dialects=ALL, public_url="https://u.example")
    blobs, out = LocalBlobs(world.folder.blobs), tmp_path / "out"
    export_dialects(world.folder, blobs, chosen, out, world.epoch())
    contents = rendered(world, dialects=ALL, public_url="https://u.example").contents
    with (
        run_dialects(out, tmp_path / "nginx") as port,
        serve_contents(chosen, contents, blobs) as served,
    ):
        yield port, served, contents


def ask(port, path, *lines, method="GET"):
    """Send a request to nginx."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(request(path, *lines, method=method))
        return read_response(connection, is_head=method == "HEAD")


def said(response):
    """Return status, the headers that both send, and the body."""
    headers = {name: value for name, value in response.headers if name not in UNSAID}
    return response.status, headers, response.body


def test_nginx_answers_like_the_plane(both):
    """Both answer each list and file alike, whole and by ranges, never compressed.

    Withdrawn and unknown files get 410 and 404.
    """
    port, served, contents = both
    lines = [(b"Accept-Encoding: gzip",), (b"Accept-Encoding: br;q=1, *",), (b"Range: bytes=5-9",)]
    lines += [(b"Range: bytes=5-",), (b"Range: bytes=999999-",)]
    asked = [(path, each) for path in contents for each in lines]
    asked += [("/graphene/FP5-nightly", lines[0]), ("/lineage/v1/FP4/beta", lines[0])]
    for path, each in asked:
        is_list = isinstance(contents.get(path), Page)
        if is_list and each[0].startswith(b"Range"):  # no app requests them
            continue
        here, there = said(served.get(path, APP, *each)), said(ask(port, path, APP, *each))
        if here[0] in {404, 410, 416}:  # nginx sends an HTML page
            assert there[0] == here[0], (path, each)
            continue
        assert there == here, (path, each)


def test_running_build_in_path_is_ignored(both):
    """As the plane does, nginx ignores the running build in the paths of old templates."""
    port, served, _ = both
    expected = said(served.get(LIST, APP))
    assert said(ask(port, f"{LIST}/1.2.0-id", APP)) == expected


@pytest.mark.parametrize(
    ("path", "lines", "method"),
    [
        (LIST + "?serial=1", (), "GET"),
        (LIST + "/" + "a" * 65 + "/b", (), "GET"),
        ("/lineage/v1/F%504/nightly", (), "GET"),
        ("/lineage/v1//FP4/nightly", (), "GET"),
        ("/lineage/v1/../v1/FP4/nightly", (), "GET"),
        ("/metadata/timestamp.json", (), "GET"),
        ("/gone.conf", (), "GET"),
        (LIST, (b"Cookie: a=b",), "GET"),
        (LIST, (b"Content-Length: 0",), "GET"),
        (LIST, (), "POST"),
    ],
)
def test_refused_requests(both, path, lines, method):
    """As the plane does, nginx refuses these requests."""
    port, _, _ = both
    assert ask(port, path, *lines, method=method).status in {400, 404, 405}
