"""A static mirror on a real nginx answers like the device plane, for any TUF client."""

import socket
from pathlib import Path

import pytest
from tuf.ngclient import Updater

from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.mirror.folder import MirrorFolder
from server.publisher.mirror.steps import export_mirror
from server.storage.local_blobs import LocalBlobs
from tests.nginx import run_nginx
from tests.patience import PATIENCE
from tests.server.device.served import read_response, request, serve
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND

pytestmark = pytest.mark.needs("nginx")
#: Headers that a plain file server cannot send, and headers that nginx adds by itself.
NOTHING = ("Content-Length", "0")  # may be left out of an answer to HEAD
UNSAID = {"ETag", "Repr-Digest", "Date", "Server", "Connection", "Accept-Ranges"}


@pytest.fixture
def mirror(world, tmp_path):
    """Yield a server that offers two releases, and its mirror behind nginx: world and port."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    out = tmp_path / "mirror"
    export_mirror(world.folder, LocalBlobs(world.folder.blobs), MirrorFolder(out))
    with run_nginx(out, tmp_path / "nginx") as port:
        yield world, port


def ask(port, path, *lines, method="GET"):
    """Send a request to nginx."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(request(path, *lines, method=method))
        return read_response(connection, is_head=method == "HEAD")


def said(response):
    """Return status, the headers that both can send, and the body."""
    headers = {
        name: value
        for name, value in response.headers
        if name not in UNSAID and (name, value) != NOTHING
    }
    return response.status, headers, response.body


def test_answers_like_the_device_plane(mirror):
    """Every path, compressed or not, by GET and HEAD, and ranges by GET are answered alike."""
    world, port = mirror
    snapshot = load_snapshot(world.folder.public, LocalBlobs(world.folder.blobs), EMPTY)
    asked = [
        (path, line)
        for path in snapshot.documents
        for line in (b"Accept-Encoding: gzip", b"DNT: 1")
    ]
    for path, package in snapshot.packages.items():
        asked += [(path, b"DNT: 1")]
        if package.length:
            asked += [
                (path, b"Range: bytes=" + part) for part in (b"0-99", b"5-", b"-7", b"10239-999999")
            ]
    asked += [
        ("/metadata/9.root.json", b"DNT: 1"),
        ("/metadata/99.armani.json", b"Accept-Encoding: gzip"),
        ("/log/proof/armani.99", b"DNT: 1"),
    ]
    with serve(world.folder) as served:
        for path, line in asked:
            for method in ("GET",) if line.startswith(b"Range") else ("GET", "HEAD"):
                there = said(ask(port, path, line, method=method))
                here = said(served.get(path, line, method=method))
                if here[0] == 404:  # nginx sends an HTML page
                    assert there[0] == 404
                    assert there[1]["Cache-Control"] == here[1]["Cache-Control"]
                    continue
                assert there == here, (path, line, method)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/metadata/timestamp.json?x=1", "GET"),
        ("/metadata/timestamp.json", "POST"),
        ("/metadata/timestamp.json", "DELETE"),
    ],
)
def test_refused_requests(mirror, path, method):
    """Queries and other methods are not part of the request grammar, and are refused."""
    _, port = mirror
    assert ask(port, path, b"DNT: 1", method=method).status in {400, 405}


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/metadata", "/metadata/", "/targets/", "/log/tile/", "/.mirror.json"),
        *("/metadata/timestamp.json.gz", "/log/checkpoint.gz", "/../etc/passwd"),
    ],
)
def test_missing_paths(mirror, path):
    """Folders, listings and the paths of compressed forms get 404."""
    _, port = mirror
    assert ask(port, path, b"DNT: 1").status in {400, 403, 404}


def test_python_tuf_client(mirror, tmp_path):
    """python-tuf's own client, with its own fetcher, refreshes and fetches every target."""
    world, port = mirror
    for name in ("cache", "targets"):
        (tmp_path / name).mkdir()
    updater = Updater(
        str(tmp_path / "cache"),
        f"http://127.0.0.1:{port}/metadata/",
        str(tmp_path / "targets"),
        f"http://127.0.0.1:{port}/targets/",
        bootstrap=world.folder.trusted_root.read_bytes(),
    )
    updater.refresh()
    for path, data in ((FIRST, PACKAGE_1), (SECOND, PACKAGE_2), (CHANNEL.pointer_path, b"")):
        found = updater.download_target(updater.get_targetinfo(path))
        assert Path(found).read_bytes() == data
