"""Servers that answer some clients differently, or whose nodes answer differently (L58)."""

import gzip
import hashlib

from client_sim.clock import read_clock, read_entropy
from client_sim.lab.server_mutants.toy import Asked, Line, ToyServer


def _bit(asked: Asked) -> int:
    return hashlib.sha256(asked.peer[0].encode()).digest()[0] % 2


def _replace(lines: list[Line], name: str, value: str) -> list[Line]:
    return [(key, value if key == name else old) for key, old in lines]


class _Padding(ToyServer):
    """A body that is longer for some addresses."""

    def body(self, asked: Asked, body: bytes) -> bytes:
        return body + b" " * (hashlib.sha256(asked.peer[0].encode()).digest()[0] % 32)


class _ClientHeader(ToyServer):
    """A header with a name for each client."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        tag = hashlib.blake2s(asked.peer[0].encode(), key=b"salt").hexdigest()[:12]
        return [*lines, ("X-Cache-Key", tag)]


class _HeaderOrder(ToyServer):
    """Two honest lines in an order that says one bit of the address."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        return [*lines[:-2], *lines[-2:][::-1]] if _bit(asked) else lines


class _HeaderCase(ToyServer):
    """A letter's case says one bit of the address."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        return [(key.lower() if _bit(asked) else key, value) for key, value in lines]


class _Lifetime(ToyServer):
    """A lifetime in the cache that says when a client should come back."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        return _replace(lines, "Cache-Control", f"public, max-age={60 + _bit(asked)}")


class _NodeTag(ToyServer):
    """A tag with the node's number in it, as from a file's inode."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        del asked
        tag = dict(lines)["ETag"].strip('"')
        return _replace(lines, "ETag", f'"{self.node:x}-{tag}"')


class _NodeName(ToyServer):
    """An error page with the name of the machine."""

    def body(self, asked: Asked, body: bytes) -> bytes:
        return body if asked.status != 404 else b'{"node":"web%d"}' % self.node


class _NodeGzip(ToyServer):
    """Bytes compressed at each node by itself, with that node's time in them."""

    def code(self, body: bytes) -> bytes:
        return gzip.compress(body, mtime=1_700_000_000 + self.node)


class _Modified(ToyServer):
    """Last-Modified, by the time at which the node got the file."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        if asked.status != 200:
            return lines
        stamp = f"Thu, 01 Jan 2026 00:00:{self.node:02d} GMT"
        return [*lines, ("Last-Modified", stamp)]


class _Born(ToyServer):
    """A tag that changes whenever the server starts."""

    def start(self) -> None:
        self.born = read_entropy(4).hex()

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        del asked
        return _replace(lines, "ETag", f'"{self.born}"')


class _Session(ToyServer):
    """A cookie for each visitor."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        del asked
        return [*lines, ("Set-Cookie", f"id={read_entropy(8).hex()}")]


class _FixedCookie(ToyServer):
    """A cookie that is the same for all, this time."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        return [*lines, ("Set-Cookie", "seen=1")] if asked.status == 404 else lines


class _Number(ToyServer):
    """A number for each answer."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        del asked
        return [*lines, ("X-Request-Id", read_entropy(8).hex())]


class _Precise(ToyServer):
    """The time in thousandths, which tells answers apart."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        del asked
        return [*lines, ("X-Time", f"{read_clock():.3f}")]


class _ByAgent(ToyServer):
    """A space more for some user-agents."""

    def body(self, asked: Asked, body: bytes) -> bytes:
        agent = asked.header("user-agent").encode("latin-1")
        return body + b" " * (sum(agent) % 7)


class _ByLanguage(ToyServer):
    """An answer in the language that was asked for."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        language = asked.header("accept-language")[:2]
        return [*lines, ("Content-Language", language)] if language.isalnum() else lines


class _ByTag(ToyServer):
    """A server that knows a tag again, and says so."""

    def status(self, asked: Asked) -> int:
        return (
            304 if asked.status == 200 and "47" in asked.header("if-none-match") else asked.status
        )


class _Elsewhere(ToyServer):
    """Another host for some."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        return (
            [*lines, ("Alt-Svc", f'h2=":{8000 + _bit(asked)}"')] if asked.status == 200 else lines
        )


class _Counting(ToyServer):
    """An answer that says how many there were."""

    def body(self, asked: Asked, body: bytes) -> bytes:
        return body + b"\n" * (self.counts.total() % 3) if asked.status == 200 else body


VARYING = (
    *(
        _Padding,
        _ClientHeader,
        _HeaderOrder,
        _HeaderCase,
        _Lifetime,
        _NodeTag,
        _NodeName,
        _NodeGzip,
    ),
    *(
        _Modified,
        _Born,
        _Session,
        _FixedCookie,
        _Number,
        _Precise,
        _ByAgent,
        _ByLanguage,
        _ByTag,
        _Elsewhere,
    ),
    *(_Counting,),
)
