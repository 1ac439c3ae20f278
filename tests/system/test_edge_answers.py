"""The nginx edge answers like the device plane: codings, ranges, headers, missing paths."""

import gzip

import pytest

from tests.edge import BIG, BLOCK, package_of, said, snapshot_of
from tests.server.device.served import read_response, request

pytestmark = pytest.mark.needs("nginx")
TIMESTAMP, NEXT_ROOT = "/metadata/timestamp.json", "/metadata/2.root.json"
GZIP = b"Accept-Encoding: gzip"


def test_documents_equal_those_of_the_origin(edge, origin, big_state):
    """Bytes, tag, digest, Vary and lifetime are equal, cached and uncached, in each coding."""
    paths = [
        *snapshot_of(big_state).documents,
        *(NEXT_ROOT, "/metadata/99.armani.json", "/log/proof/armani.99", "/log/tile/0/999"),
        *(path for path, package in snapshot_of(big_state).packages.items() if not package.length),
    ]
    with edge.connect() as there, origin.connect() as here:

        def ask(connection, path, line, method):
            connection.sendall(request(path, line, method=method))
            return said(read_response(connection, is_head=method == "HEAD"))

        for path in paths:
            for line in (b"Accept-Encoding: br, gzip;q=0.5", b"Accept-Encoding: gzip;q=0"):
                for method in ("HEAD", "GET"):
                    asked = path, line, method
                    assert ask(there, *asked) == ask(here, *asked), asked


LEVELS = ("0", "9", "10", "59", "60", "63", "entries")
NO_LEVELS = ("64", "69", "70", "99", "00", "07", "100", "x", "")
WIDTHS = ("1", "9", "10", "99", "100", "199", "200", "249", "250", "255")
NO_WIDTHS = ("0", "00", "01", "010", "256", "259", "260", "299", "300", "999", "1000", "1x", "")


def test_tiles_of_any_level_and_width(edge, origin):
    """A tile has a level below 64, a partial one 1 to 255 leaves; origin and edge refuse others."""
    edge.relay.forget()
    for path in (
        *(f"/log/tile/{level}/999" for level in NO_LEVELS),
        *(f"/log/tile/0/999.p/{width}" for width in NO_WIDTHS),
    ):
        assert (edge.get(path).status, origin.get(path).status) == (400, 400), path
    assert edge.relay.requests == []
    for path in (
        *(f"/log/tile/{level}/999" for level in LEVELS),
        *(f"/log/tile/0/x001/x002/999.p/{width}" for width in WIDTHS),
    ):
        answer = edge.get(path)
        assert answer.status == 404, path
        assert said(answer) == said(origin.get(path)), path


@pytest.mark.parametrize(
    ("value", "is_packed"),
    [
        *((b"gzip", True), (b"GZIP", True), (b"br, gzip", True), (b"gzip;q=0.5", True)),
        *((b"gzip;q=0", False), (b"gzip; q=0.000", False), (b"identity", False), (b"", False)),
        *((b"*", False), (b"gzipx", False), (b"x-gzip", False), (b"gzip;q=0.001, br", True)),
    ],
)
def test_content_codings(edge, origin, value, is_packed):
    """The edge reads Accept-Encoding like the origin, and caches one of two forms."""
    line = b"Accept-Encoding: " + value
    there, here = edge.get(TIMESTAMP, line), origin.get(TIMESTAMP, line)
    assert (there["Content-Encoding"] == "gzip") is is_packed
    assert said(there) == said(here)
    if is_packed:
        assert gzip.decompress(there.body) == origin.get(TIMESTAMP).body


@pytest.mark.parametrize(
    ("spelled", "first", "end"),
    [
        *((b"0-8388607", 0, BLOCK), (b"8388608-16777215", BLOCK, 2 * BLOCK)),
        *((b"16777216-16781926", 2 * BLOCK, len(BIG)), (b"5-", 5, len(BIG))),
        *((b"-7", len(BIG) - 7, len(BIG)), (b"8388600-8388615", BLOCK - 8, BLOCK + 8)),
        *((b"0-0", 0, 1), (b"16781926-99999999", len(BIG) - 1, len(BIG))),
    ],
)
def test_ranges_of_a_package(edge, big_state, spelled, first, end):
    """A range is exact, whichever blocks it overlaps."""
    response = edge.get(package_of(big_state), b"Range: bytes=" + spelled)
    assert response.status == 206
    assert response["Content-Range"] == f"bytes {first}-{end - 1}/{len(BIG)}"
    assert response.body == BIG[first:end]


def test_other_ranges(edge, origin, big_state):
    """Other ranges are answered as by the origin: 200, 416, or the whole file for another tag."""
    path = package_of(big_state)
    tag = edge.get(path, b"Range: bytes=0-0")["ETag"].encode()
    assert edge.get(path, b"Range: bytes=0-9", b"If-Range: " + tag).body == BIG[:10]
    for lines in (
        (b"Range: bytes=0-9", b'If-Range: "other"'),
        (b"Range: bytes=0-9,20-29",),
        (b"Range: lines=0-9",),
        (b"DNT: 1",),
    ):
        response = edge.get(path, *lines)
        assert (response.status, response.body == BIG) == (200, True), lines
    behind = b"Range: bytes=99999999-"
    assert said(edge.get(path, behind)) == said(origin.get(path, behind))
    head = edge.get(path, method="HEAD")
    assert (head.status, head["Content-Length"]) == (200, str(len(BIG)))
