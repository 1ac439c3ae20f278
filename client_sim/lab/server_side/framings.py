"""Requests beyond their head: bodies in every framing, trailing bytes, other protocols."""

import gzip
from collections.abc import Iterator
from typing import Final

from client_sim.lab.server_side.planting import Delivery, Template
from client_sim.lab.server_side.positions import request

_TOKEN: Final = 26  # bytes that take a mark's place
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def plan_framings(host: bytes) -> Iterator[Template]:
    """Yield templates with bodies, pipelined requests, and what is no HTTP/1.1 at all."""
    for method in (b"GET", b"POST", b"PUT"):
        said = method.decode()
        length = request(b"Content-Length: %d" % _TOKEN, method=method, host=host)
        yield Template(f"body of {said}", length + b"<T>")
        chunked = request(b"Transfer-Encoding: chunked", method=method, host=host)
        yield Template(f"chunk of {said}", chunked + b"1a\r\n<T>\r\n0\r\n\r\n")
    chunked = request(b"Transfer-Encoding: chunked", method=b"POST", host=host)
    yield Template("chunk extension", chunked + b'1;a="<T>"\r\nx\r\n0;<T>\r\n\r\n')
    yield Template("size of a chunk", chunked + b"<T>\r\nx\r\n0\r\n\r\n")
    yield Template("trailer", chunked + b"1\r\nx\r\n0\r\nX-Late: <T>\r\n<T>: a\r\n\r\n")
    both = (b"Content-Length: 37", b"Transfer-Encoding: chunked")
    yield Template("body of two lengths", request(*both, host=host) + b"1a\r\n<T>\r\n0\r\n\r\n")
    twice = (b"Content-Length: 26", b"Content-Length: 27")
    yield Template("body of two other lengths", request(*twice, host=host) + b"<T>x")
    expect = (b"Expect: 100-continue", b"Content-Length: 26")
    yield Template("body behind Expect", request(*expect, method=b"POST", host=host) + b"<T>")
    yield _plan_body("form", b"application/x-www-form-urlencoded", b"imei=<T>&b=1", host)
    yield _plan_body("JSON", b"application/json", b'{"imei":"<T>"}', host)
    part = (
        b'--a\r\nContent-Disposition: form-data; name="f"; filename="<T>"\r\n\r\n<T>\r\n--a--\r\n'
    )
    yield _plan_body("form with a file", b"multipart/form-data; boundary=a", part, host)
    coded = (b"Content-Encoding: gzip", b"Content-Length: %d" % len(gzip.compress(b"")))
    yield Template(
        "behind a coded body", request(*coded, host=host) + gzip.compress(b"") + b"<T>\r\n\r\n"
    )
    yield Template("body of HTTP/1.0", request(version=b"1.0", host=host) + b"<T>\r\n\r\n")

    yield Template("behind a request", request(host=host) + b"<T>\r\n\r\n", answers=2)
    train = (
        request(host=host) + request(path=b"/<T>", host=host) + request(b"Cookie: <T>", host=host)
    )
    yield Template("pipelined requests", train + request(path=b"/<T>", host=host), answers=4)
    close = request(b"Connection: close", host=host)
    yield Template("behind a closing request", close + request(path=b"/<T>", host=host))
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
    """Yield templates for a handshake: the server's name and a protocol."""
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
