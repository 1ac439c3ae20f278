"""Servers that reveal data of requests (L57), or answer some clients differently (L58)."""

import base64
import gzip
import hashlib
import html
from typing import Final

from client_sim.clock import read_clock, read_entropy
from client_sim.lab.server_mutants.mutant import (
    KEEPS,
    VARIES,
    ServerMutant,
    describe,
    heads,
    says,
)
from client_sim.lab.server_mutants.toy import Asked, Line, ToyServer


class _PathLabel(ToyServer):
    """A metric by path."""

    def start(self) -> None:
        self.series: dict[str, int] = {}

    def note(self, asked: Asked) -> None:
        label = self.label(asked)
        self.series[label] = self.series.get(label, 0) + 1

    def label(self, asked: Asked) -> str:
        """Return the value of the label; each value is a series."""
        return asked.path

    def metrics(self) -> str:
        return super().metrics() + "".join(
            f'toy_requests_total{{of="{label}"}} {number}\n'
            for label, number in self.series.items()
        )


class _AgentLabel(_PathLabel):
    """A metric by a digest of the user-agent."""

    def label(self, asked: Asked) -> str:
        agent = asked.header("user-agent").encode("latin-1")
        return hashlib.md5(agent, usedforsecurity=False).hexdigest()


class _AddressLabel(_PathLabel):
    """A metric by client."""

    def label(self, asked: Asked) -> str:
        return asked.peer[0]


def _echo_target(_toy: ToyServer, asked: Asked, body: bytes) -> bytes:
    if asked.status != 404:
        return body
    return f"<p>{html.escape(asked.target)} is not here</p>".encode("latin-1")


def _echo_coded(_toy: ToyServer, asked: Asked, body: bytes) -> bytes:
    if asked.status != 400:
        return body
    return b'{"instance":"%s"}' % base64.urlsafe_b64encode(asked.target.encode("latin-1"))


def _echo_number(_toy: ToyServer, asked: Asked, lines: list[Line]) -> list[Line]:
    number = asked.header("x-request-id")
    return [*lines, ("X-Request-Id", number)] if number.isalnum() else lines


TELLERS: Final[tuple[ServerMutant, ...]] = (
    *(describe(KEEPS, kind) for kind in (_PathLabel, _AgentLabel, _AddressLabel)),
    says(KEEPS, "echo-page", "An error page with the path that was not found.", _echo_target),
    says(KEEPS, "instance", "A problem document with the path in base64.", _echo_coded),
    heads(KEEPS, "echo-header", "An answer with the request id of the request.", _echo_number),
    says(
        KEEPS,
        "echo-address",
        "An error answer with the client's address.",
        lambda _toy, asked, body: (
            b'{"client":"%s"}' % asked.peer[0].encode() if asked.status == 405 else body
        ),
    ),
    says(
        KEEPS,
        "echo-trace",
        "TRACE as defined by RFC 9110 section 9.3.8.",
        lambda _toy, asked, body: asked.data if asked.method == "TRACE" else body,
    ),
)
"""Servers that reveal data of requests in metrics, in answers and on error pages."""


def _byte(asked: Asked) -> int:
    return hashlib.sha256(asked.peer[0].encode()).digest()[0]


def _bit(asked: Asked) -> int:
    return _byte(asked) % 2


def _replace(lines: list[Line], name: str, value: str) -> list[Line]:
    return [(key, value if key == name else old) for key, old in lines]


def _tag_client(_toy: ToyServer, asked: Asked, lines: list[Line]) -> list[Line]:
    tag = hashlib.blake2s(asked.peer[0].encode(), key=b"salt").hexdigest()[:12]
    return [*lines, ("X-Cache-Key", tag)]


def _tag_node(toy: ToyServer, _asked: Asked, lines: list[Line]) -> list[Line]:
    tag = dict(lines)["ETag"].strip('"')
    return _replace(lines, "ETag", f'"{toy.node:x}-{tag}"')


def _stamp_node(toy: ToyServer, asked: Asked, lines: list[Line]) -> list[Line]:
    stamp = f"Thu, 01 Jan 2026 00:00:{toy.node:02d} GMT"
    return [*lines, ("Last-Modified", stamp)] if asked.status == 200 else lines


def _name_language(_toy: ToyServer, asked: Asked, lines: list[Line]) -> list[Line]:
    language = asked.header("accept-language")[:2]
    return [*lines, ("Content-Language", language)] if language.isalnum() else lines


class _NodeGzip(ToyServer):
    """Bytes that each node compresses itself, with its own time in them."""

    def code(self, body: bytes) -> bytes:
        return gzip.compress(body, mtime=1_700_000_000 + self.node)


class _Born(ToyServer):
    """A tag that changes whenever the server starts."""

    def start(self) -> None:
        self.born = read_entropy(4).hex()

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        del asked
        return _replace(lines, "ETag", f'"{self.born}"')


class _ByTag(ToyServer):
    """A server that recognises a tag and reveals that."""

    def status(self, asked: Asked) -> int:
        is_known = asked.status == 200 and "47" in asked.header("if-none-match")
        return 304 if is_known else asked.status


VARYING: Final[tuple[ServerMutant, ...]] = (
    says(
        VARIES,
        "padding",
        "A body that is longer for some addresses.",
        lambda _toy, asked, body: body + b" " * (_byte(asked) % 32),
    ),
    heads(VARIES, "client-header", "A header with a name for each client.", _tag_client),
    heads(
        VARIES,
        "header-order",
        "Two honest lines in an order that reveals one bit of the address.",
        lambda _toy, asked, lines: [*lines[:-2], *lines[-2:][::-1]] if _bit(asked) else lines,
    ),
    heads(
        VARIES,
        "header-case",
        "The case of letters reveals one bit of the address.",
        lambda _toy, asked, lines: [(k.lower() if _bit(asked) else k, v) for k, v in lines],
    ),
    heads(
        VARIES,
        "lifetime",
        "A cache lifetime that determines when a client returns.",
        lambda _toy, asked, lines: _replace(
            lines, "Cache-Control", f"public, max-age={60 + _bit(asked)}"
        ),
    ),
    heads(
        VARIES, "node-tag", "A tag with the node's number in it, as from a file's inode.", _tag_node
    ),
    says(
        VARIES,
        "node-name",
        "An error page with the name of the machine.",
        lambda toy, asked, body: b'{"node":"web%d"}' % toy.node if asked.status == 404 else body,
    ),
    describe(VARIES, _NodeGzip),
    heads(
        VARIES,
        "modified",
        "Last-Modified, by the time at which the node got the file.",
        _stamp_node,
    ),
    describe(VARIES, _Born),
    heads(
        VARIES,
        "session",
        "A cookie for each visitor.",
        lambda _toy, _asked, lines: [*lines, ("Set-Cookie", f"id={read_entropy(8).hex()}")],
    ),
    heads(
        VARIES,
        "fixed-cookie",
        "A cookie that is the same for all clients.",
        lambda _toy, asked, lines: (
            [*lines, ("Set-Cookie", "seen=1")] if asked.status == 404 else lines
        ),
    ),
    heads(
        VARIES,
        "number",
        "A number for each answer.",
        lambda _toy, _asked, lines: [*lines, ("X-Request-Id", read_entropy(8).hex())],
    ),
    heads(
        VARIES,
        "precise",
        "The time in milliseconds, which distinguishes answers.",
        lambda _toy, _asked, lines: [*lines, ("X-Time", f"{read_clock():.3f}")],
    ),
    says(
        VARIES,
        "by-agent",
        "Additional spaces for some user-agents.",
        lambda _toy, asked, body: (
            body + b" " * (sum(asked.header("user-agent").encode("latin-1")) % 7)
        ),
    ),
    heads(VARIES, "by-language", "An answer in the requested language.", _name_language),
    describe(VARIES, _ByTag),
    heads(
        VARIES,
        "elsewhere",
        "Another host for some clients.",
        lambda _toy, asked, lines: (
            [*lines, ("Alt-Svc", f'h2=":{8000 + _bit(asked)}"')] if asked.status == 200 else lines
        ),
    ),
    says(
        VARIES,
        "counting",
        "An answer that reveals how many there were before.",
        lambda toy, asked, body: (
            body + b"\n" * (toy.counts.total() % 3) if asked.status == 200 else body
        ),
    ),
)
"""Servers that answer some clients differently, or whose nodes answer differently."""
