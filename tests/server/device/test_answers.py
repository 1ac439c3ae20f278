"""Representations, conditions, ranges and missing paths: RFC 9110 over real sockets."""

import base64
import gzip
import hashlib
import re

import pytest

from server.core.names import decode_pointer_path
from server.http.fallback import RESPONSE_HEADERS
from server.publisher.rollout import plan_halt
from tests.server.ceremony import release
from tests.server.device.served import read_response, request, serve
from tests.server.device.test_wire import without_date
from tests.server.world import FIRST, PACKAGE_1

TIMESTAMP = "/metadata/timestamp.json"
DIGEST = hashlib.sha256(PACKAGE_1).hexdigest()
PACKAGE = f"/targets/armani/id/stable/{DIGEST}.armani-1.zip"
POINTER = f"/targets/latest/armani/id/{hashlib.sha256(b'').hexdigest()}.stable"
NEGOTIATED = [TIMESTAMP, "/metadata/1.root.json", "/log/checkpoint", "/log/proof/armani.2"]


def tile(folder):
    """Return the path of a public tile."""
    tiles = (folder.public / "log" / "tile" / "0").rglob("*")
    file = next(path for path in sorted(tiles) if path.is_file())
    return "/" + file.relative_to(folder.public).as_posix()


@pytest.mark.parametrize("path", NEGOTIATED)
def test_two_representations(direct, published_state, path):
    """The same bytes come plain or compressed, each with its own validator and digest."""
    plain = direct.get(path)
    packed = direct.get(path, b"Accept-Encoding: gzip")
    content = (published_state.folder.public / path[1:]).read_bytes()
    assert plain.body == gzip.decompress(packed.body) == content
    assert (plain["Content-Encoding"], packed["Content-Encoding"]) == (None, "gzip")
    assert plain["Vary"] == packed["Vary"] == "Accept-Encoding"
    assert plain["ETag"] != packed["ETag"]
    for response in (plain, packed):
        digest = base64.b64encode(hashlib.sha256(response.body).digest()).decode()
        assert response["Repr-Digest"] == f"sha-256=:{digest}:"


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        (b"gzip", "gzip"),
        (b"GZIP", "gzip"),
        (b"br, gzip", "gzip"),
        (b"gzip;q=0.5", "gzip"),
        (b"gzip;q=0", None),
        (b"gzip; q=0.000", None),
        (b"identity", None),
        (b"br", None),
        (b"", None),
        (b"*", None),
        (b"gzipx", None),
    ],
)
def test_negotiation(direct, value, coding):
    """Gzip is sent to clients that accept it, and to no others."""
    assert direct.get(TIMESTAMP, b"Accept-Encoding: " + value)["Content-Encoding"] == coding


@pytest.mark.parametrize("path", [*NEGOTIATED, PACKAGE, "/metadata/9.root.json"])
@pytest.mark.parametrize("line", [b"Accept-Encoding: gzip", b"Accept-Encoding: identity"])
def test_head_is_get_without_its_bytes(direct, path, line):
    """Status and headers of HEAD are those of GET (section 9.3.2)."""
    whole, head = direct.get(path, line), direct.get(path, line, method="HEAD")
    assert without_date(whole)[:2] == without_date(head)[:2]
    assert head.body == b""
    assert whole["Content-Length"] == str(len(whole.body))


def test_head_leaves_the_connection_usable(direct):
    """No byte of a body follows the answer to HEAD."""
    with direct.connect() as connection:
        connection.sendall(request(PACKAGE, method="HEAD") + request(TIMESTAMP))
        assert read_response(connection, is_head=True).status == 200
        assert read_response(connection).status == 200


def test_head_ignores_range(direct):
    """Range applies to GET only (section 14.2)."""
    response = direct.get(PACKAGE, b"Range: bytes=0-9", method="HEAD")
    assert (response.status, response["Content-Length"]) == (200, str(len(PACKAGE_1)))


@pytest.mark.parametrize("coding", [b"gzip", b"identity"])
@pytest.mark.parametrize("path", [*NEGOTIATED, PACKAGE])
def test_if_none_match(direct, path, coding):
    """A validator gives 304 for its own representation, however it is listed."""
    line = b"Accept-Encoding: " + coding
    etag = direct.get(path, line)["ETag"]
    for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = direct.get(path, line, f"If-None-Match: {value}".encode())
        assert (response.status, response["ETag"], response.body) == (304, etag, b"")
        assert response["Content-Encoding"] is None
    assert direct.get(path, line, b'If-None-Match: "other"').status == 200


def test_a_validator_of_the_other_representation(direct):
    """The tag of the plain form does not match the compressed one."""
    etag = direct.get(TIMESTAMP)["ETag"].encode()
    packed = direct.get(TIMESTAMP, b"Accept-Encoding: gzip", b"If-None-Match: " + etag)
    assert packed.status == 200


LAST = len(PACKAGE_1) - 1


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, LAST),
        ("bytes=100-199", 100, 199),
        ("bytes=100-999999999", 100, LAST),
        (f"bytes={LAST}-", LAST, LAST),
        ("bytes=-1", LAST, LAST),
        ("bytes=-100", LAST - 99, LAST),
        ("bytes=-999999999", 0, LAST),
        ("bytes=0-8388607", 0, LAST),
    ],
)
def test_one_range(direct, value, first, last):
    """Exactly the requested part is sent."""
    response = direct.get(PACKAGE, f"Range: {value}".encode())
    assert response.status == 206
    assert response["Content-Range"] == f"bytes {first}-{last}/{len(PACKAGE_1)}"
    assert response.body == PACKAGE_1[first : last + 1]
    assert response["Content-Encoding"] is response["Vary"] is None


@pytest.mark.parametrize("value", [f"bytes={LAST + 1}-", "bytes=-0", "bytes=99999999-100000000"])
def test_a_range_behind_the_end(direct, value):
    """416 has the length (section 15.5.17)."""
    response = direct.get(PACKAGE, f"Range: {value}".encode())
    assert (response.status, response["Content-Range"]) == (416, f"bytes */{len(PACKAGE_1)}")


@pytest.mark.parametrize(
    "value",
    ["bytes=0-1,4-5", "bytes=5-4", "lines=0-1", "bytes=a-b", "bytes=", "bytes=-", "bytes=+1-2"],
)
def test_ranges_that_are_ignored(direct, value):
    """Anything but one well-formed range is ignored (section 14.2)."""
    response = direct.get(PACKAGE, f"Range: {value}".encode())
    assert (response.status, response.body) == (200, PACKAGE_1)


def test_if_range(direct):
    """A part is sent only of the client's representation, by a strong comparison."""
    etag = direct.get(PACKAGE)["ETag"]
    for value, status in {
        etag: 206,
        f"W/{etag}": 200,
        '"other"': 200,
        "Thu, 01 Jan 1970 00:00:00 GMT": 200,
    }.items():
        answer = direct.get(PACKAGE, b"Range: bytes=0-9", f"If-Range: {value}".encode())
        assert answer.status == status, value


def test_metadata_has_no_ranges(direct):
    """A range of metadata is ignored: whole files are small."""
    assert direct.get(TIMESTAMP, b"Range: bytes=0-9").status == 200


def test_what_is_not_there(direct):
    """A well-formed path without an answer is 404 and may be cached for a minute."""
    for path in (
        "/metadata/2.root.json",
        "/metadata/99.armani.json",
        "/log/tile/0/999",
        "/log/proof/dior.1",
        f"/targets/armani/id/stable/{'0' * 64}.armani-1.zip",
    ):
        response = direct.get(path)
        assert (response.status, response["Cache-Control"]) == (404, "public, max-age=60")


def test_what_is_gone(world):
    """A withdrawn package is 410; its neighbours are not."""
    world.run(lambda publisher: publisher.change_pointers(halt_all))
    files = {FIRST: (PACKAGE_1, release(1, withdrawn=True))}
    result = world.publish({("armani", 3): world.ceremony.role("armani", 3, files)})
    assert result.reason == ""
    with serve(world.folder) as served:
        assert served.get(PACKAGE).status == 410
        assert served.get("/metadata/2.armani.json").status == 200
        (world.folder.public / "metadata" / "2.armani.json").unlink()
    with serve(world.folder) as served:
        assert served.get("/metadata/2.armani.json").status == 410
        assert served.get("/metadata/4.armani.json").status == 404


def halt_all(published):
    """Halt every pointer."""
    return {
        path: plan_halt(decode_pointer_path(path), pointer, {})
        for path, pointer in published.pointers().items()
    }


def test_caching(direct, published_state):
    """Pointers and what a key of the log signs are cached for a minute, all else for a year."""
    for path in (TIMESTAMP, "/log/checkpoint", "/log/proof/armani.2"):
        assert direct.get(path)["Cache-Control"] == "public, max-age=60"
    for path in (
        "/metadata/1.root.json",
        PACKAGE,
        POINTER,
        tile(published_state.folder),
    ):
        assert direct.get(path)["Cache-Control"] == "public, max-age=31536000, immutable"


def test_vary_stands_exactly_where_a_packed_form_exists(direct, published_state):
    """Tiles and packages have one form only."""
    for path in (PACKAGE, POINTER, tile(published_state.folder)):
        response = direct.get(path, b"Accept-Encoding: gzip")
        assert response["Vary"] is response["Content-Encoding"] is None


def test_every_answer_keeps_to_the_table_of_headers(direct, published_state):
    """No status has a header outside the table; there is no Server and no Set-Cookie."""
    etag = direct.get(TIMESTAMP)["ETag"].encode()
    answers = [
        direct.get(TIMESTAMP),
        direct.get(TIMESTAMP, b"If-None-Match: " + etag),
        direct.get(PACKAGE),
        direct.get(PACKAGE, b"Range: bytes=1-2"),
        direct.get(PACKAGE, b"Range: bytes=999999-"),
        direct.get("/metadata/9.root.json"),
        direct.get(TIMESTAMP, method="HEAD"),
        direct.get(tile(published_state.folder)),
        direct.get("/nowhere"),
        direct.get(TIMESTAMP, b"Cookie: a=1"),
    ]
    assert [answer.status for answer in answers] == [
        *(200, 304, 200, 206, 416, 404, 200, 200, 400, 400),
    ]
    for answer in answers:
        names = [name for name, _ in answer.headers]
        assert set(names) <= RESPONSE_HEADERS
        assert len(set(names)) == len(names)
        assert "Date" in names
        if answer.status >= 400:
            assert answer["Content-Type"] == "application/problem+json"


def test_everyone_gets_the_same_bytes(direct):
    """Ten clients with different habits get the same answer, except for its date."""
    answers = {
        re.sub(rb"Date: [^\r]*", b"", answer.head) + answer.body
        for number in range(10)
        for answer in [
            direct.get(TIMESTAMP, b"Accept-Encoding: gzip", f"User-Agent: phone-{number}".encode())
        ]
    }
    assert len(answers) == 1
