"""Answers that violate HTTP: a phone refuses them, follows no redirect, returns no cookie.

Each replaces one answer of an installation over real sockets; build 1 is offered to the phone. The
phone must not start another build, must send its requests and no other byte. After all of them it
must install build 1 as soon as the server answers correctly.
"""

import gzip
import itertools
import re
import socket
import zlib
from functools import cache

import brotli
import pytest

from client_sim.device.client import SHORTEST, SPREAD
from client_sim.device.errors import DeviceError, TransportError
from tests.attacks.attacked_phone import PATHS, answer_with, body_of
from tests.attacks.hostile_server import CLOSE
from tests.cases import case
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import response

# After these the phone continues over the same connection.
FOLLOWED = ("root", "timestamp", "snapshot", "targets", "latest", "armani")
STATUSES = (
    *("204 No Content", "300 Choices", "304 Not Modified", "403 Forbidden", "429 Many"),
    *("500 Error", "503 Later", "999 ?"),
)
REDIRECTS = ("301", "302", "303", "307", "308")


@cache
def _bomb():
    """Return a compressed body of 16 MiB, more than the phone accepts of any file."""
    return gzip.compress(bytes(16 * 1024 * 1024))


def _head(answer):
    return answer.partition(b"\r\n\r\n")[0]


def _with_status(status):
    return lambda answer: [re.sub(rb"(?<=HTTP/1.1 )[^\r]*", status.encode(), answer, count=1)]


def _with_field(field):
    return lambda answer: [answer.replace(b"\r\n", b"\r\n" + field + b"\r\n", 1)]


def _coded(coding, encode):
    def change(answer):
        body = body_of(answer)
        if b"Content-Encoding: gzip" in answer:
            body = gzip.decompress(body)
        return [response(b"200 OK", encode(body), b"Content-Encoding: " + coding)]

    return change


# Invalid answers to any request.
EVERYWHERE = {
    **{f"status {status}": _with_status(status) for status in STATUSES},
    "HTTP/1.0": lambda answer: [answer.replace(b"HTTP/1.1", b"HTTP/1.0", 1)],
    "HTTP/2": lambda answer: [b"\0\0\x12\x04\0\0\0\0\0" + answer],
    "HTTP/0.9": lambda answer: [body_of(answer), CLOSE],
    "SSH": lambda _: [b"SSH-2.0-OpenSSH\r\n", CLOSE],
    "no length": lambda answer: [re.sub(rb"\r\nContent-Length: \d+", b"", answer), CLOSE],
    "two lengths": _with_field(b"Content-Length: 1"),
    "negative length": lambda answer: [re.sub(rb"(?<=Content-Length: )", b"-", answer, count=1)],
    "hexadecimal length": lambda answer: [
        re.sub(rb"(?<=Content-Length: )", b"0x", answer, count=1)
    ],
    "chunks and length": _with_field(b"Transfer-Encoding: chunked"),
    "unknown transfer coding": _with_field(b"Transfer-Encoding: gzip, chunked"),
    "a field without a colon": _with_field(b"Nonsense"),
    "a field with a zero byte": _with_field(b"X: a\0b"),
    "100 first": lambda answer: [b"HTTP/1.1 100 Continue\r\n\r\n", answer],
    "103 first": lambda answer: [b"HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\n", answer],
    "101": lambda _: [b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"],
    "65 fields": _with_field(b"\r\n".join(b"X%d: 1" % number for number in range(65))),
    "a head of 17 kB": _with_field(b"X: " + b"x" * 17_000),
    "nothing": lambda _: [CLOSE],
    "half a head": lambda answer: [_head(answer)[:-5], CLOSE],
    "all but one byte": lambda answer: [answer[:-1], CLOSE],
    "deflate": _coded(b"deflate", zlib.compress),
    "brotli": _coded(b"br", brotli.compress),
    "gzip by another name": _coded(b"x-gzip", gzip.compress),
    "gzip in gzip": _coded(b"gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    "gzip with something behind": _coded(b"gzip", lambda body: gzip.compress(body) + b"more"),
    "two gzip members": _coded(b"gzip", lambda body: gzip.compress(body) * 2),
    "half a gzip": _coded(b"gzip", lambda body: gzip.compress(body)[:-9]),
    "gzip that is none": _coded(b"gzip", lambda body: b"\x1f\x8b" + body),
    "a compression bomb": lambda _: [response(b"200 OK", _bomb(), b"Content-Encoding: gzip")],
}
EVERYWHERE_BUT_ROOT = {
    "404": _with_status("404 Not Found"),
    "410": _with_status("410 Gone"),
}
FOR_METADATA = {
    "206": _with_status("206 Partial Content"),
    "a part": lambda _: [response(b"206 Partial Content", b"x", b"Content-Range: bytes 0-0/1")],
}


def _make_cases():
    """Return each kind of answer for the package, for a next root, and for one other file in turn.

    All answers have the same reader, except that a package's reader resumes. For a root, a status
    may mean that there is none.
    """
    cases = {name: {} for name in PATHS}
    redirects = {f"a redirect {status}": _redirect(status) for status in REDIRECTS}
    kinds = {**EVERYWHERE, **EVERYWHERE_BUT_ROOT, **FOR_METADATA, **redirects}
    turns = itertools.cycle(name for name in PATHS if name not in {"package", "root"})
    for (kind, change), turn in zip(kinds.items(), turns, strict=False):
        for name in ("package", "root", turn):
            if (name != "root" or kind not in EVERYWHERE_BUT_ROOT) and (
                name != "package" or kind not in FOR_METADATA
            ):
                cases[name][kind] = change
    return cases


def _redirect(status):
    return lambda answer: [
        response(
            f"{status} Moved".encode(),
            body_of(answer),
            b"Location: http://127.0.0.1:%d/metadata/1.root.json" % _elsewhere.port,
        )
    ]


class _Elsewhere:
    """Another server, to which the phone must not connect; it listens during these tests."""

    listener: socket.socket

    @property
    def port(self):
        """The port on which it listens."""
        return self.listener.getsockname()[1]

    def check_alone(self):
        """Check that the phone has not connected."""
        with pytest.raises(BlockingIOError):
            self.listener.accept()


_elsewhere = _Elsewhere()


@pytest.fixture(scope="module", autouse=True)
def _listens_elsewhere():
    with socket.create_server(("127.0.0.1", 0)) as _elsewhere.listener:
        _elsewhere.listener.setblocking(False)
        yield


CASES = _make_cases()


@pytest.mark.parametrize("name", CASES)
def test_invalid_answers(attacked, name):
    """The phone refuses each answer, ends the connection, and recovers."""
    for kind, change in CASES[name].items():
        with case(kind):
            attacked.server.forget()
            answer_with(attacked, PATHS[name], change)
            assert attacked.install() == "refused"
            assert isinstance(attacked.error, TransportError), repr(attacked.error)
            connections = len([data for data in attacked.server.received if data])
            attacked.check_unharmed()
            attacked.check_sent()
            _elsewhere.check_alone()
            # One for the poll, one for the installation, one for the full package, one for the last
            # check.
            assert connections <= 4
    attacked.check_recovers()
    _elsewhere.check_alone()


HANDED_OUT = (
    b"Set-Cookie: id=0123456789abcdef; Max-Age=999999999; Path=/",
    b"Set-Cookie2: id=1",
    b'ETag: "0123456789abcdef"',
    b"Last-Modified: Mon, 05 Jan 2026 07:08:09 GMT",
    b"Expires: Thu, 01 Dec 2044 16:00:00 GMT",
    b"Cache-Control: no-store",
    b"Age: 77",
    b'Alt-Svc: h3=":443"; ma=99999, h2="other.example:443"',
    b"Link: </metadata/7.root.json>; rel=preload",
    b"Location: /metadata/9.root.json",
    b"Content-Location: /metadata/8.root.json",
    b"Refresh: 0; url=/metadata/6.root.json",
    b"Retry-After: 3",
    b"Accept-CH: Device-Memory, Sec-CH-UA-Model",
    b"Critical-CH: Sec-CH-UA-Model",
    b"Vary: User-Agent, Cookie",
    b'WWW-Authenticate: Basic realm="who"',
    b"Strict-Transport-Security: max-age=1",
    b"Clear-Site-Data: *",
    b'NEL: {"report_to":"x","max_age":9}',
    b"Upgrade: h2c",
    b"Keep-Alive: timeout=999",
    b"Date: Thu, 01 Jan 2099 00:00:00 GMT",
    b"Server: 0123456789abcdef",
    b"Accept-Ranges: none",
    b"X-Device-ID: 0123456789abcdef",
)


def test_cookies_and_hints_are_not_returned(attacked):
    """Cookies, validators and hints change no byte and no time of later requests."""
    change = _with_field(b"\r\n".join(HANDED_OUT))
    attacked.server.reply = lambda _path, answer: change(answer)
    attacked.poll()
    due = attacked.phone.next_poll() - attacked.clock
    assert SHORTEST <= due <= SHORTEST + SPREAD
    assert attacked.install() == shop.facts(1), attacked.error
    attacked.check_updated()
    attacked.check_sent()
    bare = [data for data in attacked.server.received if data]
    assert not [data for data in bare if b"0123456789abcdef" in data]


def test_unrequested_answers(attacked):
    """Unrequested bytes end the connection before the next request."""
    extra = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    for name in FOLLOWED:
        with case(name):
            answer_with(attacked, PATHS[name], lambda answer: [answer + extra])
            assert attacked.install() == "refused"
            assert isinstance(attacked.error, TransportError)
            attacked.check_unharmed()
            attacked.check_sent()
    attacked.check_recovers()


@pytest.mark.parametrize("name", ["everything", *PATHS])
def test_repeated_server_errors(attacked, name):
    """However often a server fails, a phone polls no sooner, sends nothing else, and recovers."""
    dues = set()
    for number in range(30 if name in {"everything", "timestamp"} else 4):
        status = b"503 Storm" if number % 2 else b"500 Storm"
        storm = response(status, b"<html>", b"Retry-After: 1", b"Connection: close")
        answer_with(attacked, PATHS.get(name, ".*"), lambda _, storm=storm: [storm, CLOSE])
        assert attacked.install() == "refused"
        assert isinstance(attacked.error, TransportError)
        due = attacked.phone.next_poll()
        assert SHORTEST <= due - attacked.clock <= SHORTEST + SPREAD
        dues.add(due)
    # Each interval is drawn anew; the server has no influence on it.
    assert len(dues) > 1
    attacked.check_unharmed()
    attacked.check_sent()
    attacked.check_recovers()


def test_only_own_errors_are_raised(attacked):
    """Whatever a server sends, the phone raises only its own errors."""
    attacked.server.reply = lambda _path, answer: [answer[::-1]]
    outcome = attacked.phone.poll()
    assert isinstance(outcome.failure, DeviceError)
