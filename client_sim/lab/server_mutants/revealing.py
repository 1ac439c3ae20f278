"""Servers that reveal data of requests (L57), or answer some clients differently (L58)."""

import base64
import gzip
import hashlib
import html
from typing import Final

from client_sim.clock import read_clock, read_entropy
from client_sim.lab.server_mutants.mutant import (
    STORES,
    VARIES,
    ServerMutant,
    changes_body,
    changes_headers,
    describe,
)
from client_sim.lab.server_mutants.toy import Line, Request, ToyServer


class _PathLabel(ToyServer):
    """A metric by path."""

    def start(self) -> None:
        self.series: dict[str, int] = {}

    def on_request(self, request: Request) -> None:
        label = self.label(request)
        self.series[label] = self.series.get(label, 0) + 1

    def label(self, request: Request) -> str:
        """Return the value of the label; each value is a series."""
        return request.path

    def metrics(self) -> str:
        return super().metrics() + "".join(
            f'toy_requests_total{{of="{label}"}} {number}\n'
            for label, number in self.series.items()
        )


class _AgentLabel(_PathLabel):
    """A metric by a digest of the user-agent."""

    def label(self, request: Request) -> str:
        agent = request.header("user-agent").encode("latin-1")
        return hashlib.md5(agent, usedforsecurity=False).hexdigest()


class _AddressLabel(_PathLabel):
    """A metric by client."""

    def label(self, request: Request) -> str:
        return request.peer[0]


def _echo_target(_toy: ToyServer, request: Request, body: bytes) -> bytes:
    if request.status != 404:
        return body
    return f"<p>{html.escape(request.target)} is not here</p>".encode("latin-1")


def _echo_coded(_toy: ToyServer, request: Request, body: bytes) -> bytes:
    if request.status != 400:
        return body
    return b'{"instance":"%s"}' % base64.urlsafe_b64encode(request.target.encode("latin-1"))


def _echo_number(_toy: ToyServer, request: Request, lines: list[Line]) -> list[Line]:
    number = request.header("x-request-id")
    return [*lines, ("X-Request-Id", number)] if number.isalnum() else lines


REVEALING: Final[tuple[ServerMutant, ...]] = (
    *(describe(STORES, kind) for kind in (_PathLabel, _AgentLabel, _AddressLabel)),
    changes_body(
        STORES, "echo-page", "An error page with the path that was not found.", _echo_target
    ),
    changes_body(STORES, "instance", "A problem document with the path in base64.", _echo_coded),
    changes_headers(
        STORES, "echo-header", "An answer with the request id of the request.", _echo_number
    ),
    changes_body(
        STORES,
        "echo-address",
        "An error answer with the client's address.",
        lambda _toy, request, body: (
            b'{"client":"%s"}' % request.peer[0].encode() if request.status == 405 else body
        ),
    ),
    changes_body(
        STORES,
        "echo-trace",
        "TRACE as defined by RFC 9110 section 9.3.8.",
        lambda _toy, request, body: request.data if request.method == "TRACE" else body,
    ),
)
"""Servers that reveal data of requests in metrics, in answers and on error pages."""


def _byte(request: Request) -> int:
    return hashlib.sha256(request.peer[0].encode()).digest()[0]


def _bit(request: Request) -> int:
    return _byte(request) % 2


def _replace(lines: list[Line], name: str, value: str) -> list[Line]:
    return [(key, value if key == name else old) for key, old in lines]


def _tag_client(_toy: ToyServer, request: Request, lines: list[Line]) -> list[Line]:
    tag = hashlib.blake2s(request.peer[0].encode(), key=b"salt").hexdigest()[:12]
    return [*lines, ("X-Cache-Key", tag)]


def _tag_node(toy: ToyServer, _request: Request, lines: list[Line]) -> list[Line]:
    tag = dict(lines)["ETag"].strip('"')
    return _replace(lines, "ETag", f'"{toy.node:x}-{tag}"')


def _stamp_node(toy: ToyServer, request: Request, lines: list[Line]) -> list[Line]:
    stamp = f"Thu, 01 Jan 2026 00:00:{toy.node:02d} GMT"
    return [*lines, ("Last-Modified", stamp)] if request.status == 200 else lines


def _name_language(_toy: ToyServer, request: Request, lines: list[Line]) -> list[Line]:
    language = request.header("accept-language")[:2]
    return [*lines, ("Content-Language", language)] if language.isalnum() else lines


class _NodeGzip(ToyServer):
    """Bytes that each node compresses itself, with its own time in them."""

    def compress(self, body: bytes) -> bytes:
        return gzip.compress(body, mtime=1_700_000_000 + self.node)


class _Born(ToyServer):
    """A tag that changes whenever the server starts."""

    def start(self) -> None:
        self.born = read_entropy(4).hex()

    def lines(self, request: Request, lines: list[Line]) -> list[Line]:
        del request
        return _replace(lines, "ETag", f'"{self.born}"')


class _ByTag(ToyServer):
    """A server that recognises a tag and reveals that."""

    def status(self, request: Request) -> int:
        is_known = request.status == 200 and "47" in request.header("if-none-match")
        return 304 if is_known else request.status


VARYING: Final[tuple[ServerMutant, ...]] = (
    changes_body(
        VARIES,
        "padding",
        "A body that is longer for some addresses.",
        lambda _toy, request, body: body + b" " * (_byte(request) % 32),
    ),
    changes_headers(VARIES, "client-header", "A header with a name for each client.", _tag_client),
    changes_headers(
        VARIES,
        "header-order",
        "Two honest lines in an order that reveals one bit of the address.",
        lambda _toy, request, lines: [*lines[:-2], *lines[-2:][::-1]] if _bit(request) else lines,
    ),
    changes_headers(
        VARIES,
        "header-case",
        "The case of letters reveals one bit of the address.",
        lambda _toy, request, lines: [(k.lower() if _bit(request) else k, v) for k, v in lines],
    ),
    changes_headers(
        VARIES,
        "lifetime",
        "A cache lifetime that determines when a client returns.",
        lambda _toy, request, lines: _replace(
            lines, "Cache-Control", f"public, max-age={60 + _bit(request)}"
        ),
    ),
    changes_headers(
        VARIES, "node-tag", "A tag with the node's number in it, as from a file's inode.", _tag_node
    ),
    changes_body(
        VARIES,
        "node-name",
        "An error page with the name of the machine.",
        lambda toy, request, body: (
            b'{"node":"web%d"}' % toy.node if request.status == 404 else body
        ),
    ),
    describe(VARIES, _NodeGzip),
    changes_headers(
        VARIES,
        "modified",
        "Last-Modified, by the time at which the node got the file.",
        _stamp_node,
    ),
    describe(VARIES, _Born),
    changes_headers(
        VARIES,
        "session",
        "A cookie for each visitor.",
        lambda _toy, _request, lines: [*lines, ("Set-Cookie", f"id={read_entropy(8).hex()}")],
    ),
    changes_headers(
        VARIES,
        "fixed-cookie",
        "A cookie that is the same for all clients.",
        lambda _toy, request, lines: (
            [*lines, ("Set-Cookie", "seen=1")] if request.status == 404 else lines
        ),
    ),
    changes_headers(
        VARIES,
        "number",
        "A number for each answer.",
        lambda _toy, _request, lines: [*lines, ("X-Request-Id", read_entropy(8).hex())],
    ),
    changes_headers(
        VARIES,
        "precise",
        "The time in milliseconds, which distinguishes answers.",
        lambda _toy, _request, lines: [*lines, ("X-Time", f"{read_clock():.3f}")],
    ),
    changes_body(
        VARIES,
        "by-agent",
        "Additional spaces for some user-agents.",
        lambda _toy, request, body: (
            body + b" " * (sum(request.header("user-agent").encode("latin-1")) % 7)
        ),
    ),
    changes_headers(VARIES, "by-language", "An answer in the requested language.", _name_language),
    describe(VARIES, _ByTag),
    changes_headers(
        VARIES,
        "elsewhere",
        "Another host for some clients.",
        lambda _toy, request, lines: (
            [*lines, ("Alt-Svc", f'h2=":{8000 + _bit(request)}"')]
            if request.status == 200
            else lines
        ),
    ),
    changes_body(
        VARIES,
        "counting",
        "An answer that reveals how many there were before.",
        lambda toy, request, body: (
            body + b"\n" * (toy.counts.total() % 3) if request.status == 200 else body
        ),
    ),
)
"""Servers that answer some clients differently, or whose nodes answer differently."""
