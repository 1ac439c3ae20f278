"""Which requests the gate accepts in its modes: docs/PRIVACY.md and FORMATS section 9."""

import re

from tests.cases import case
from tests.server.device.served import TIMESTAMP, read_response, request
from tests.server.device.test_answer import PACKAGE
from tests.server.device.test_wire import check_refusal, refusals
from tests.server.world import PACKAGE_1

GZIP = b"Accept-Encoding: gzip"
BLOCK = f"Range: bytes=0-{len(PACKAGE_1) - 1}".encode()
ABSENT = f"/targets/armani/id/stable/{'0' * 64}.armani-9.zip"
PHONE = {
    "/metadata/1.root.json": GZIP,
    "/metadata/2.root.json": GZIP,
    "/metadata/timestamp.json": GZIP,
    "/metadata/3.snapshot.json": GZIP,
    "/metadata/1.targets.json": GZIP,
    "/metadata/2.latest.json": GZIP,
    "/metadata/1.tables.json": GZIP,
    "/metadata/1.content.json": GZIP,
    "/log/proof/latest.2": GZIP,
    "/metadata/2.armani.json": GZIP,
    "/log/proof/armani.2": GZIP,
    PACKAGE: BLOCK,
    ABSENT: BLOCK,
}
NOT_A_PHONE = {
    "no coding": request(TIMESTAMP),
    "other coding": request(TIMESTAMP, b"Accept-Encoding: identity"),
    "two codings": request(TIMESTAMP, b"Accept-Encoding: gzip, br"),
    "lower-case name": request(TIMESTAMP, b"accept-encoding: gzip"),
    "no space after the colon": request(TIMESTAMP, b"Accept-Encoding:gzip"),
    "two spaces after the colon": request(TIMESTAMP, b"Accept-Encoding:  gzip"),
    "space after the value": request(TIMESTAMP, b"Accept-Encoding: gzip "),
    "additional header": request(TIMESTAMP, GZIP, b"Accept: */*"),
    "user agent": request(TIMESTAMP, GZIP, b"User-Agent: phone"),
    "validator": request(TIMESTAMP, GZIP, b'If-None-Match: "a"'),
    "other order": b"GET " + TIMESTAMP.encode() + b" HTTP/1.1\r\n" + GZIP + b"\r\nHost: a\r\n\r\n",
    "HTTP/1.0": request(TIMESTAMP, GZIP).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "two spaces in the line": request(TIMESTAMP, GZIP).replace(b"GET ", b"GET  "),
    "leading empty line": b"\r\n" + request(TIMESTAMP, GZIP),
    "range of metadata": request(TIMESTAMP, b"Range: bytes=0-9"),
    "checkpoint": request("/log/checkpoint", GZIP),
    "tile": request("/log/tile/0/000.p/8", GZIP),
    "proof of another role": request("/log/proof/targets.1", GZIP),
    "numbered timestamp": request("/metadata/1.timestamp.json", GZIP),
    "mirrors": request("/metadata/1.mirrors.json", GZIP),
    "no part of latest": request("/metadata/1.latest-g.json", GZIP),
    "package without range": request(PACKAGE),
    "package with coding": request(PACKAGE, GZIP),
    "package with both": request(PACKAGE, GZIP, BLOCK),
    "unaligned block": request(PACKAGE, f"Range: bytes=1-{len(PACKAGE_1) - 1}".encode()),
    "short block": request(PACKAGE, b"Range: bytes=0-99"),
    "block beyond the end": request(PACKAGE, b"Range: bytes=0-8388607"),
    "block after the end": request(PACKAGE, b"Range: bytes=8388608-16777215"),
    "open range": request(PACKAGE, b"Range: bytes=0-"),
    "suffix": request(PACKAGE, b"Range: bytes=-5"),
    "empty target": request(f"/targets/latest/armani/id/{'0' * 64}.stable", BLOCK),
    "no block, unknown package": request(ABSENT, b"Range: bytes=0-8388608"),
    "backwards, unknown package": request(ABSENT, b"Range: bytes=3-1"),
    "unaligned, unknown package": request(ABSENT, b"Range: bytes=1-2"),
    "a block of a part": request(f"/targets/tables/apn/{'0' * 64}.00.xz", BLOCK),
}


def test_strict_mode_answers_a_phone(strict):
    """Strict mode answers each request of the table, however it is split into packets."""
    with strict.connect() as connection:
        for path, line in PHONE.items():
            status = {PACKAGE: 206, ABSENT: 404, "/metadata/2.root.json": 404}.get(path, 200)
            data = request(path, line)
            for cut in (data[:7], data[7:-1], data[-1:]):
                connection.sendall(cut)
            assert read_response(connection).status == status, path


def test_strict_mode_refuses_other_requests(strict):
    """Strict mode refuses any request that differs by a byte from FORMATS section 9."""
    for name, data in NOT_A_PHONE.items():
        with case(name):
            check_refusal(strict.exchange(data))
    answer = strict.exchange(request(TIMESTAMP, GZIP, method="HEAD"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n")


def unknown_headers(served):
    """Return the number of requests with headers that are not in the table."""
    return float(
        re.search(r"^hening_unknown_headers_total (.*)$", served.metrics(), re.MULTILINE)[1]
    )


def test_unknown_headers_in_edge_mode(edge):
    """In edge mode, unknown headers are ignored and counted."""
    lines = [b"X-Forwarded-For: 192.0.2.1", b"X-Request-Id: 1", b"CF-Ray: 1"]
    before = unknown_headers(edge)
    assert edge.get(TIMESTAMP, *lines).status == 200
    assert unknown_headers(edge) == before + 1


def test_edge_mode_refuses_cookies_credentials_and_bodies(edge):
    """Cookies, credentials and bodies are refused in edge mode, too."""
    for line in (b"Cookie: a", b"Content-Length: 0", b"Authorization: a", b"Expect: 100-continue"):
        check_refusal(edge.exchange(request(TIMESTAMP, line)))


def test_refusals_are_counted_by_reason(strict):
    """Refusals are counted with a reason from a closed list."""
    strict.exchange(request("/canary"))
    assert set(refusals(strict)) == {
        *("method", "path", "query", "version", "host", "body", "cookie", "header"),
        *("malformed", "strict"),
    }
    assert "canary" not in strict.metrics()
