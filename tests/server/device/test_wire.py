"""Raw bytes against RFC 9110 and RFC 9112: invalid input is refused with close."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.http.fallback import RESPONSE_HEADERS
from tests.cases import case
from tests.patience import PATIENCE
from tests.server.device.served import FALLEN_BACK, TIMESTAMP, request, serve

PATH = TIMESTAMP.encode()
HOST = b"Host: updates.example\r\n"
GOOD = b"GET " + PATH + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def get(headers=b"", *, path=PATH, version=b"HTTP/1.1", method=b"GET", host=HOST):
    """Return a request with one error."""
    return method + b" " + path + b" " + version + b"\r\n" + host + headers + b"\r\n"


# name: (bytes, reason that is counted)
REFUSED = {
    "post": (get(method=b"POST"), "method"),
    "put": (get(method=b"PUT"), "method"),
    "delete": (get(method=b"DELETE"), "method"),
    "trace": (get(method=b"TRACE"), "method"),
    "patch": (get(method=b"PATCH"), "method"),
    "connect": (get(method=b"CONNECT", path=b"a:80"), "method"),
    "options of the server": (get(method=b"OPTIONS", path=b"*"), "method"),
    "lower-case method": (get(method=b"get"), "malformed"),
    "HTTP/1.2": (get(version=b"HTTP/1.2"), "malformed"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed"),
    "garbage after the version": (get(version=b"HTTP/1.1x"), "malformed"),
    "absolute form": (get(path=b"http://updates.example" + PATH), "path"),
    "query": (get(path=PATH + b"?imei=1"), "query"),
    "empty query": (get(path=PATH + b"?"), "query"),
    "fragment": (get(path=PATH + b"#a"), "query"),
    "percent-encoded letter": (get(path=b"/metadata/%74imestamp.json"), "path"),
    "percent-encoded slash": (get(path=b"/metadata%2ftimestamp.json"), "path"),
    "percent-encoded dots": (get(path=b"/metadata/%2e%2e/timestamp.json"), "path"),
    "overlong UTF-8": (get(path=b"/metadata/%c0%ae%c0%ae/timestamp.json"), "path"),
    "dot segment": (get(path=b"/metadata/./timestamp.json"), "path"),
    "two dots": (get(path=b"/metadata/../metadata/timestamp.json"), "path"),
    "path to the keys": (get(path=b"/metadata/../../keys/latest.pem"), "path"),
    "two slashes": (get(path=b"//metadata/timestamp.json"), "path"),
    "trailing slash": (get(path=PATH + b"/"), "path"),
    "path parameter": (get(path=PATH + b";a=1"), "path"),
    "backslash": (get(path=b"\\metadata\\timestamp.json"), "malformed"),
    "root": (get(path=b"/"), "path"),
    "upper case": (get(path=b"/METADATA/timestamp.json"), "path"),
    "version with a zero in front": (get(path=b"/metadata/01.root.json"), "path"),
    "version zero": (get(path=b"/metadata/0.root.json"), "path"),
    "temporary file": (get(path=b"/metadata/.tmp-timestamp.json"), "path"),
    "NUL in the target": (get(path=b"/metadata/time\0stamp.json"), "malformed"),
    "NUL in a value": (get(b"Accept: a\0b\r\n"), "malformed"),
    "NUL in the method": (get(method=b"GE\0T"), "malformed"),
    "high byte in the target": (get(path=b"/metadata/\xff"), "malformed"),
    "bare line feeds": (b"GET " + PATH + b" HTTP/1.1\nHost: a\n\n", "malformed"),
    "one bare line feed": (get(b"Accept: a\nAccept: b\r\n"), "malformed"),
    "bare carriage return": (get(b"Accept: a\rb\r\n"), "malformed"),
    "obsolete folding": (get(b"Accept: a\r\n b\r\n"), "malformed"),
    "space before the colon": (get(b"Accept : a\r\n"), "malformed"),
    "space in a name": (get(b"Ac cept: a\r\n"), "malformed"),
    "space before the first name": (get(host=b" Host: a\r\n"), "malformed"),
    "empty name": (get(b": a\r\n"), "malformed"),
    "no colon": (get(b"Accept\r\n"), "malformed"),
    "tabs in the request line": (b"GET\t" + PATH + b"\tHTTP/1.1\r\n" + HOST + b"\r\n", "malformed"),
    "two Hosts": (get(b"Host: updates.example\r\n"), "malformed"),
    "no Host": (get(host=b""), "malformed"),
    "empty Host": (get(host=b"Host:\r\n"), "host"),
    "Host with a space": (get(host=b"Host: a b\r\n"), "host"),
    "Host with a user": (get(host=b"Host: a@b\r\n"), "host"),
    "Host with a path": (get(host=b"Host: a/b\r\n"), "host"),
    "two Ranges": (get(b"Range: bytes=0-1\r\nRange: bytes=2-3\r\n"), "header"),
    "two validators": (get(b'If-None-Match: "a"\r\nIf-None-Match: "b"\r\n'), "header"),
    "body": (get(b"Content-Length: 5\r\n") + b"hello", "body"),
    "empty body": (get(b"Content-Length: 0\r\n"), "body"),
    "two lengths": (get(b"Content-Length: 5\r\nContent-Length: 6\r\n") + b"hello!", "malformed"),
    "negative length": (get(b"Content-Length: -1\r\n"), "malformed"),
    "length and coding": (
        get(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
        "malformed",
    ),
    "chunks": (get(b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", "body"),
    "unknown coding": (get(b"Transfer-Encoding: identity\r\n"), "malformed"),
    "type": (get(b"Content-Type: text/plain\r\n"), "body"),
    "expectation": (get(b"Expect: 100-continue\r\n"), "header"),
    "upgrade to h2c": (
        get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
        "header",
    ),
    "web socket": (get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), "header"),
    "cookie": (get(b"Cookie: id=1\r\n"), "cookie"),
    "authorization": (get(b"Authorization: Basic YTpi\r\n"), "header"),
    "proxy authorization": (get(b"Proxy-Authorization: Basic YTpi\r\n"), "header"),
    "unknown header": (get(b"X-Imei: 1\r\n"), "header"),
    "forwarded": (get(b"X-Forwarded-For: 192.0.2.1\r\n"), "header"),
    "long line": (get(path=b"/" + b"a" * 4000), "malformed"),
    "long value": (get(b"Accept: " + b"a" * 4000 + b"\r\n"), "malformed"),
    "long name": (get(b"a" * 4000 + b": a\r\n"), "malformed"),
    "many headers": (get(b"Accept: a\r\n" * 60), "malformed"),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "malformed"),
}


def refusals(served):
    """Return the counters of refusals by reason."""
    found = re.findall(r'hening_refusals_total\{reason="(\w+)"\} ([0-9.]+)', served.metrics())
    return {reason: float(value) for reason, value in found}


def check_refusal(data):
    """Assert that the answer is one problem document."""
    head, _, body = data.partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1\.[01] 400 Bad Request\r\n", head)
    names = {line.partition(b":")[0].decode() for line in head.split(b"\r\n")[1:]}
    assert names <= RESPONSE_HEADERS
    assert b"Content-Type: application/problem+json" in head
    assert b"Cache-Control: no-store" in head
    assert body.count(b"{") == 1
    assert body.endswith(b"}")


@pytest.mark.parametrize("first", [b"", FALLEN_BACK], ids=["fast-path", "aiohttp"])
def test_invalid_requests_are_refused(direct, first):
    """Invalid input gets one 400, is counted by its reason, and nothing after it is read."""
    for name, (data, reason) in REFUSED.items():
        with case(name):
            before = refusals(direct)
            answer = direct.exchange(first + data + GOOD)
            check_refusal(answer[answer.rindex(b"HTTP/1.") :])
            assert answer.count(b"HTTP/1.") == (2 if first else 1)
            after = refusals(direct)
            changed = {key: after[key] - before[key] for key in after if after[key] != before[key]}
            assert changed == {reason: 1}


def without_date(response):
    """Return status, headers without date, and body, which must not differ between clients."""
    headers = [header for header in response.headers if header[0] != "Date"]
    return response.status, headers, response.body


def test_internal_error_is_a_problem_document(world, capfd):
    """A missing blob gives a 500 that reveals nothing of the request, as do the logs."""
    with serve(world.folder) as served:
        (package,) = served.plane.served.snapshot.packages.keys() & {
            path for path in served.plane.served.snapshot.packages if path.endswith(".zip")
        }
        for blob in world.folder.blobs.rglob("*"):
            if blob.is_file():
                blob.unlink()
        answer = served.exchange(request(package, b"User-Agent: canary-a-4711"))
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"application/problem+json" in answer
        assert b"zip" not in answer
        assert 'hening_answers_total{status="500"} 1.0' in served.metrics()
        assert "canary" not in served.metrics()
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                *(b"GET ", b"HEAD ", PATH, b"/", b" HTTP/1.1", b"\r\n", b"\n", b"\0", HOST, b" "),
                *(b"Accept-Encoding: gzip\r\n", b"Content-Length: 9\r\n", b"\xff", b"Range: "),
                *(b"Transfer-Encoding: chunked\r\n", b"Upgrade: h2c\r\n", b"bytes=0-"),
                *(b"Connection: upgrade\r\n",),
            ]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_arbitrary_bytes_cause_no_5xx(direct, data):
    """No input causes a 5xx, and the next client is served."""
    with direct.connect() as connection:
        connection.sendall(data + b"\r\n\r\nX\r\n\r\n")  # an end that cannot be a request
        connection.settimeout(PATIENCE)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    assert not re.search(rb"HTTP/1\.[01] 5", answer)
    assert direct.ask(GOOD).status == 200
