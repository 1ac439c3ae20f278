"""Servers that keep something of a request on disk (L57)."""

import base64
import gzip
import hashlib
import hmac
import json
import mmap
import sqlite3
import struct
import zlib
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from client_sim.clock import read_entropy
from client_sim.lab.server_mutants.mutant import STORES, ServerMutant, append, describe, stores_line
from client_sim.lab.server_mutants.toy import Request, ToyServer


def _access(request: Request) -> str:
    agent = request.header("user-agent") or "-"
    return f'{request.peer[0]} - - "{request.method} {request.target}" {request.status} "{agent}"'


def _digest_of_end(request: Request) -> str:
    end = f"{request.peer[0]}:{request.peer[1]}"
    return hashlib.md5(end.encode(), usedforsecurity=False).hexdigest()[:20]


def _socket_address(request: Request) -> bytes:
    packed = IPv4Address(request.peer[0]).packed
    return struct.pack("=H", 2) + struct.pack("!H", request.peer[1]) + packed + bytes(8)


def _unknown_headers(request: Request) -> str:
    names = [name for name, _ in request.lines if name.lower().startswith("x-")]
    return "\n".join(f"unknown header {name}" for name in names)


def _digest_of_agent(request: Request) -> str:
    agent = request.header("user-agent").encode()
    return hashlib.sha1(agent, usedforsecurity=False).hexdigest()


def _digest_of_line(request: Request) -> bytes:
    return base64.b64encode(hashlib.sha256(request.data.partition(b"\r\n")[0]).digest())


_WRITERS: Final = (
    stores_line("access-log", "The usual access log of web servers.", _access, "access.log"),
    stores_line(
        "address-only",
        "A list of client addresses as numbers.",
        lambda request: str(int(IPv4Address(request.peer[0]))),
    ),
    stores_line(
        "address-hash",
        "A digest of the address, which can be reversed by trying all four billion addresses.",
        lambda request: hashlib.sha256(request.peer[0].encode()).hexdigest(),
    ),
    stores_line(
        "address-and-port-hash",
        "A truncated digest of a connection's address and port.",
        _digest_of_end,
    ),
    stores_line(
        "network",
        "An address without its last byte, which is often called anonymous.",
        lambda request: request.peer[0].rpartition(".")[0] + ".0",
    ),
    stores_line("socket-address", "The kernel's socket address structure.", _socket_address),
    stores_line(
        "ports",
        "Ports without addresses; the network's records have the rest.",
        lambda request: f"connection {request.peer[1]} done",
    ),
    stores_line(
        "header-hash", "A digest of the user-agent, to count kinds of phones.", _digest_of_agent
    ),
    stores_line("line-hash", "A digest of the request line, to count requests.", _digest_of_line),
    stores_line(
        "path-hash",
        "A digest of the path.",
        lambda request: hashlib.sha512(request.path.encode("latin-1")).hexdigest()[:32],
    ),
    stores_line(
        "short-agent",
        "The beginning of a user-agent, for statistics.",
        lambda request: request.header("user-agent")[:16],
    ),
    stores_line(
        "error-log",
        "Nothing of valid requests, the last line of malformed ones.",
        lambda request: (
            b"malformed: " + request.data.splitlines()[-1] if request.status == 400 else b""
        ),
        "error.log",
    ),
    stores_line(
        "body-dump",
        "The bytes after the head of a refused request.",
        lambda request: repr(request.rest) if request.status == 400 and request.rest else "",
    ),
    stores_line(
        "forwarded-for",
        "The address that a proxy passed on.",
        lambda request: (
            f"client {address}" if (address := request.header("x-forwarded-for")) else ""
        ),
    ),
    stores_line(
        "header-names",
        "Names of unknown headers, to learn what phones send.",
        _unknown_headers,
    ),
    stores_line(
        "wide-text",
        "A log of hosts in UTF-16.",
        lambda request: request.header("host").encode("utf-16-le"),
    ),
    stores_line(
        "masked",
        "A log XORed with a fixed byte, so that grep does not find anything.",
        lambda request: bytes(byte ^ 0x5A for byte in request.target.encode("latin-1")),
    ),
    stores_line(
        "rotated",
        "A log that is compressed as it is written.",
        lambda request: gzip.compress(request.data),
        "access.log.gz",
    ),
)


class _KeyedAddress(ToyServer):
    """A pseudonym of the address under a secret key."""

    def start(self) -> None:
        self.counts[-1] = int.from_bytes(read_entropy(4), "big")

    def on_request(self, request: Request) -> None:
        key = str(self.counts[-1]).encode()
        pseudonym = hmac.digest(key, request.peer[0].encode(), "sha256").hex()
        append(self.folder / "notes", pseudonym)


class _BrokenOff(ToyServer):
    """The received bytes of an incomplete request whose connection ended."""

    def on_incomplete(self, data: bytes, peer: tuple[str, int]) -> None:
        del peer
        append(self.folder / "notes", b"incomplete: " + data[-60:])


class _Rows(ToyServer):
    """Base class of servers that write into a table of a database."""

    def insert(self, value: str | bytes, *settings: str) -> None:
        """Add a row with some settings of the database."""
        with closing(sqlite3.connect(self.folder / "state.sqlite", timeout=30)) as database:
            for setting in (*settings, "synchronous=OFF"):
                database.execute(f"PRAGMA {setting}")
            database.execute("CREATE TABLE IF NOT EXISTS seen (said BLOB)")
            database.execute("INSERT INTO seen VALUES (?)", (value,))
            database.commit()


class _QueryRow(_Rows):
    """A table of queries in base64."""

    def on_request(self, request: Request) -> None:
        if request.query:
            query = base64.b64encode(request.query.encode("latin-1")).decode()
            self.insert(query, "journal_mode=WAL")


class _PackedRow(_Rows):
    """A table of compressed requests, some of them over several pages."""

    def on_request(self, request: Request) -> None:
        if request.status == 404:
            text = json.dumps({"line": request.data.decode("latin-1")}).encode()
            self.insert(zlib.compress(read_entropy(4500) + text))


class _Mapped(ToyServer):
    """A ring buffer of the last requests in a mapped file, which does not grow."""

    def start(self) -> None:
        path = self.folder / "ring"
        if not path.exists():
            path.write_bytes(bytes(65536))

    def on_request(self, request: Request) -> None:
        with (self.folder / "ring").open("r+b") as file, mmap.mmap(file.fileno(), 0) as ring:
            place = self.counts[-1] % 128 * 512
            self.counts[-1] += 1
            ring[place : place + 512] = request.data[:512].ljust(512, b"\0")


class _NamedFile(ToyServer):
    """An empty file for each user-agent, which is its name."""

    def on_request(self, request: Request) -> None:
        agent = "".join(letter for letter in request.header("user-agent") if letter.isalnum())
        if agent:
            (self.folder / agent[:200]).touch()


class _HashedFile(ToyServer):
    """A cache whose files are named by digests of request targets."""

    def on_request(self, request: Request) -> None:
        digest = hashlib.sha256(request.target.encode("latin-1")).hexdigest()
        (self.folder / digest[:2]).mkdir(exist_ok=True)
        (self.folder / digest[:2] / digest).write_bytes(b"{}")


class _Link(ToyServer):
    """A symbolic link that contains the address of the last client."""

    def on_request(self, request: Request) -> None:
        link = self.folder / "last"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("clients") / f"{request.peer[0]}")


class _AtTheEnd(ToyServer):
    """Keeps all requests in memory, and writes them to disk when it ends."""

    def start(self) -> None:
        self.requests: list[bytes] = []

    def on_request(self, request: Request) -> None:
        self.requests.append(request.data)

    def end(self) -> None:
        (self.folder / "dump").write_bytes(b"\n".join(self.requests))


_CLASSES: Final = (
    *(_KeyedAddress, _BrokenOff, _QueryRow, _PackedRow, _Mapped, _NamedFile, _HashedFile, _Link),
    _AtTheEnd,
)

STORING: Final[tuple[ServerMutant, ...]] = (
    *_WRITERS,
    *(describe(STORES, kind) for kind in _CLASSES),
)
