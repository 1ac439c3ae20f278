"""Templates with a canary in every position of a request.

The positions are lines and headers of the head, bodies in every framing, trailing bytes, and other
protocols.
"""

import gzip
from collections.abc import Iterator
from typing import Final

from client_sim.lab.server_side.planting import Delivery, Template

PATH: Final = b"/metadata/timestamp.json"
_LONG: Final = b"<T>" + b"x" * 9000  # longer than a server's usual limit for a line
_TARGETS: Final = (
    ("path", b"/<T>"),
    ("role in a path", b"/metadata/1.<T>.json"),
    ("version in a path", b"/metadata/<n>.root.json"),
    ("last segment of a path", b"/metadata/<T>"),
    ("proof", b"/log/proof/<T>.1"),
    ("tile", b"/log/tile/0/<T>"),
    ("model of a package", b"/targets/<T>/id/stable/" + b"0" * 64 + b".a.zip"),
    ("name of a package", b"/targets/armani/id/stable/" + b"0" * 64 + b".<T>.zip"),
    ("query", PATH + b"?<T>"),
    ("value in a query", PATH + b"?imei=<T>&b=1"),
    ("fragment", PATH + b"#<T>"),
    ("parameter of a path", PATH + b";<T>"),
    ("absolute form", b"http://<T>" + PATH),
    ("account in the absolute form", b"http://<T>@a" + PATH),
    ("escaped path", b"/%2e<T>"),
    ("path with dots", b"/../<T>"),
    ("path with NUL", b"/\0<T>"),
    ("path beyond ASCII", b"/\xe9<T>"),
    ("path with a backslash", b"/\\<T>"),
    ("target without slash", b"<T>"),
    ("asterisk", b"*<T>"),
    ("endless path", b"/" + _LONG),
)
NAMES: Final = (
    *("Host", "Accept-Encoding", "Range", "If-Range", "If-None-Match", "If-Match"),
    *("If-Modified-Since", "If-Unmodified-Since", "Accept", "Accept-Charset", "Accept-Language"),
    *("Cache-Control", "Connection", "DNT", "Keep-Alive", "Origin", "Pragma", "Priority"),
    *("Referer", "Save-Data", "TE", "Upgrade-Insecure-Requests", "User-Agent", "Via", "From"),
    *("Sec-CH-UA-Model", "Sec-Fetch-Site", "Cookie", "Authorization", "Proxy-Authorization"),
    *("Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding", "Expect"),
    *("Upgrade", "HTTP2-Settings", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id"),
    *("X-Correlation-Id", "Traceparent", "X-Imei", "X-Device-Id", "Date", "Forwarded", "Trailer"),
    *("X-HTTP-Method-Override", "X-Original-URL", "Last-Event-Id", "X-Requested-With"),
)
"""Headers that a server may know, and some that phones are known to send."""

_FORMS: Final = (
    ("quoted", b'"<T>"'),
    ("in a list", b"a, <T>;q=1"),
    ("after NUL", b"\0<T>"),
    ("beyond ASCII", b"\xe9<T>"),
    ("on a second line", b"a\r\n <T>"),
    ("endless", _LONG),
)
_MANY_FORMS: Final = ("Host", "Accept-Encoding", "Range", "If-None-Match", "User-Agent", "Cookie")
_ADDRESSES: Final = (
    *("X-Forwarded-For: <A>", "X-Forwarded-For: <A>, 192.0.2.1", "X-Real-IP: <A>"),
    *("True-Client-IP: <A>", "CF-Connecting-IP: <A>", "X-Client-IP: <A>"),
    *('Forwarded: for="[<A>]"', "X-Cluster-Client-IP: <A>"),
)
_SPECIAL: Final = (
    *("Range: bytes=<n>-", "Range: bytes=0-<n>", "Range: bytes=<N>-<N>", 'If-Range: W/"<T>"'),
    *('If-None-Match: "sha256-<T>"', 'If-None-Match: W/"<T>"', "Cookie: id=<T>; other=<T>"),
    *("Authorization: Bearer <T>", "Authorization: Basic <B>", "Proxy-Authorization: Basic <B>"),
    *("User-Agent: Dalvik/2.1.0 (Linux; U; Android 14; <T> Build/<T>)", "Max-Forwards: <n>"),
    *(
        "Referer: https://<T>.example/<T>",
        "From: <T>@example.org",
        "Accept-Language: <T>, de;q=0.5",
    ),
)

_TOKEN: Final = 26  # bytes that replace a mark
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def request(
    *lines: bytes, method: bytes = b"GET", path: bytes = PATH, host: bytes, version: bytes = b"1.1"
) -> bytes:
    """Return the bytes of a request with `Host` and more lines."""
    first = b" ".join((method, path, b"HTTP/" + version))
    return b"\r\n".join((first, b"Host: " + host, *lines, b"", b""))


def plan_heads(host: bytes, existing: tuple[bytes, ...]) -> Iterator[Template]:
    """Yield templates for request lines and headers; `existing` are paths of the server."""
    yield Template("method", request(method=b"<T>", host=host))
    yield Template("method of HTTP/1.0", request(method=b"GET<T>", host=host, version=b"1.0"))
    yield Template("version", request(version=b"<T>", host=host))
    yield Template("digits of the version", request(version=b"1.<n>", host=host))
    for position, path in _TARGETS:
        yield Template(position, request(path=path, host=host))
        yield Template(
            f"{position}, HEAD", request(path=path, host=host, method=b"HEAD"), heads=True
        )
    yield Template("path of HTTP/1.0", request(path=b"/<T>", host=host, version=b"1.0"))
    yield Template("path of HTTP/0.9", b"GET /<T>\r\n\r\n")
    yield Template("authority form", request(method=b"CONNECT", path=b"<T>:443", host=host))
    yield Template("path of OPTIONS", request(method=b"OPTIONS", path=b"/<T>", host=host))
    yield Template("path of TRACE", request(method=b"TRACE", path=b"/<T>", host=host))
    yield Template("host", request(host=b"<T>.example"))
    yield Template("host of HTTP/1.0", request(host=b"<T>.example", version=b"1.0"))
    yield Template("port of the host", request(host=b"a:<n>"))
    yield Template("account in the host", request(host=b"<T>@a"))
    yield from _plan_headers(host)
    for number, path in enumerate(existing, 1):
        # Existing files of each kind are served by another code path.
        name = f"user-agent of an existing path, {number}"
        yield Template(name, request(b"User-Agent: <T>", path=path, host=host))


def _plan_headers(host: bytes) -> Iterator[Template]:
    for name in NAMES:
        yield Template(name.lower(), _with(name, b"<T>", host))
        if name in _MANY_FORMS:
            for form, value in _FORMS:
                yield Template(f"{name.lower()}, {form}", _with(name, value, host))
    for line in (*_ADDRESSES, *_SPECIAL):
        position = line.partition("<")[0].strip(' "=[(').lower()
        yield Template(f"{position} …", request(line.encode(), host=host))
    yield Template("name of a header", request(b"X-<T>: a", host=host))
    yield Template("name of a Sec header", request(b"Sec-<T>: a", host=host))
    yield Template("line without a colon", request(b"<T>", host=host))
    yield Template("header with a space", request(b"A <T>: a", host=host))
    yield Template("line that begins with a space", request(b" <T>: a", host=host))
    yield Template("user-agent", request(b"User-Agent: <T>", host=host), Delivery.CUT)
    yield Template("user-agent", request(b"User-Agent: <T>", host=host), Delivery.RESET)
    yield Template("query", request(path=PATH + b"?<T>", host=host), Delivery.CUT)
    yield Template("query", request(path=PATH + b"?<T>", host=host), Delivery.RESET)


def _with(name: str, value: bytes, host: bytes) -> bytes:
    if name == "Host":
        return request(host=value)
    return request(name.encode() + b": " + value, host=host)


def plan_framings(host: bytes) -> Iterator[Template]:
    """Yield templates with bodies, pipelined requests, and bytes that are not HTTP/1.1."""
    for method in (b"GET", b"POST", b"PUT"):
        name = method.decode()
        length = request(b"Content-Length: %d" % _TOKEN, method=method, host=host)
        yield Template(f"body of {name}", length + b"<T>")
        chunked = request(b"Transfer-Encoding: chunked", method=method, host=host)
        yield Template(f"chunk of {name}", chunked + b"1a\r\n<T>\r\n0\r\n\r\n")
    chunked = request(b"Transfer-Encoding: chunked", method=b"POST", host=host)
    yield Template("chunk extension", chunked + b'1;a="<T>"\r\nx\r\n0;<T>\r\n\r\n')
    yield Template("size of a chunk", chunked + b"<T>\r\nx\r\n0\r\n\r\n")
    yield Template("trailer", chunked + b"1\r\nx\r\n0\r\nX-Late: <T>\r\n<T>: a\r\n\r\n")
    both = (b"Content-Length: 37", b"Transfer-Encoding: chunked")
    yield Template("body with two lengths", request(*both, host=host) + b"1a\r\n<T>\r\n0\r\n\r\n")
    twice = (b"Content-Length: 26", b"Content-Length: 27")
    yield Template("body with two other lengths", request(*twice, host=host) + b"<T>x")
    expect = (b"Expect: 100-continue", b"Content-Length: 26")
    yield Template("body after Expect", request(*expect, method=b"POST", host=host) + b"<T>")
    yield _plan_body("form", b"application/x-www-form-urlencoded", b"imei=<T>&b=1", host)
    yield _plan_body("JSON", b"application/json", b'{"imei":"<T>"}', host)
    part = (
        b'--a\r\nContent-Disposition: form-data; name="f"; filename="<T>"\r\n\r\n<T>\r\n--a--\r\n'
    )
    yield _plan_body("form with a file", b"multipart/form-data; boundary=a", part, host)
    coded = (b"Content-Encoding: gzip", b"Content-Length: %d" % len(gzip.compress(b"")))
    yield Template(
        "after a coded body", request(*coded, host=host) + gzip.compress(b"") + b"<T>\r\n\r\n"
    )
    yield Template("body of HTTP/1.0", request(version=b"1.0", host=host) + b"<T>\r\n\r\n")

    yield Template("after a request", request(host=host) + b"<T>\r\n\r\n", answers=2)
    train = (
        request(host=host) + request(path=b"/<T>", host=host) + request(b"Cookie: <T>", host=host)
    )
    yield Template("pipelined requests", train + request(path=b"/<T>", host=host), answers=4)
    close = request(b"Connection: close", host=host)
    yield Template("after a closing request", close + request(path=b"/<T>", host=host))
    yield Template("request line", b"<T>\r\n\r\n")
    yield Template("request line of one letter more", b"<T> <T>\r\n\r\n")
    yield Template("binary line", b"\0\xff<T>\0\r\n\r\n")
    yield Template("empty lines in front", b"\r\n\r\n<T> / HTTP/1.1\r\n\r\n")
    yield Template("PROXY line", b"PROXY TCP6 <A> ::1 4711 80\r\n" + request(host=host))
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: <T>")
    yield Template("h2c", request(*upgrade, host=host))
    socket = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: <T>")
    yield Template("WebSocket", request(*socket, host=host))
    yield Template("HTTP/2 without asking", _PREFACE + _frames() + b"\r\n\r\n")
    yield Template("TLS in plain text", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03<T>\r\n\r\n")
    yield from _plan_unfinished(host)


def plan_tls(host: bytes) -> Iterator[Template]:
    """Yield templates for a TLS handshake: the server name and the protocol."""
    yield Template("name in TLS", request(host=host), name=b"<T>.example")
    yield Template("protocol in TLS", request(host=host), alpn=b"<T>")


def _plan_body(name: str, kind: bytes, body: bytes, host: bytes) -> Template:
    length = len(body) + body.count(b"<T>") * (_TOKEN - 3)
    lines = (b"Content-Type: " + kind, b"Content-Length: %d" % length)
    return Template(f"{name} in a body", request(*lines, method=b"POST", host=host) + body)


def _plan_unfinished(host: bytes) -> Iterator[Template]:
    """Yield beginnings of requests that are never completed."""
    head = request(b"User-Agent: <T>", host=host)
    tail = request(host=host) + request(b"Accept: <T>", host=host)[:-3]
    for name, data in (
        ("unfinished request line", b"GET /<T>"),
        ("unfinished header", head[:-4]),
        ("unfinished head", head[:-2]),
        ("unfinished second request", tail),
        ("unfinished body", request(b"Content-Length: 100", host=host) + b"<T>"),
        ("unfinished garbage", b"<T>"),
    ):
        yield Template(name, data, Delivery.UNFINISHED)


def _frames() -> bytes:
    """Return HTTP/2 SETTINGS and HEADERS (RFC 9113, RFC 7541) with canaries in path and header."""
    literal = b"\x04%c%s" % (_TOKEN + 1, b"/<T>") + b"\x0f\x2b%c%s" % (_TOKEN, b"<T>")
    block = b"\x82\x86" + literal  # GET, http; then :path and user-agent, not to be indexed
    length = len(block) + 2 * (_TOKEN - 3)
    return b"\0\0\0\x04\0\0\0\0\0" + b"%c%c%c\x01\x05\0\0\0\x01" % (0, 0, length) + block
