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
from client_sim.lab.server_mutants.mutant import KEEPS, ServerMutant, append, describe, keeps
from client_sim.lab.server_mutants.toy import Asked, ToyServer


def _access(asked: Asked) -> str:
    agent = asked.header("user-agent") or "-"
    return f'{asked.peer[0]} - - "{asked.method} {asked.target}" {asked.status} "{agent}"'


def _digest_of_end(asked: Asked) -> str:
    end = f"{asked.peer[0]}:{asked.peer[1]}"
    return hashlib.md5(end.encode(), usedforsecurity=False).hexdigest()[:20]


def _socket_address(asked: Asked) -> bytes:
    packed = IPv4Address(asked.peer[0]).packed
    return struct.pack("=H", 2) + struct.pack("!H", asked.peer[1]) + packed + bytes(8)


def _unknown_headers(asked: Asked) -> str:
    names = [name for name, _ in asked.lines if name.lower().startswith("x-")]
    return "\n".join(f"unknown header {name}" for name in names)


def _digest_of_agent(asked: Asked) -> str:
    agent = asked.header("user-agent").encode()
    return hashlib.sha1(agent, usedforsecurity=False).hexdigest()


def _digest_of_line(asked: Asked) -> bytes:
    return base64.b64encode(hashlib.sha256(asked.data.partition(b"\r\n")[0]).digest())


_WRITERS: Final = (
    keeps("access-log", "The usual access log of web servers.", _access, "access.log"),
    keeps(
        "address-only",
        "A list of client addresses as numbers.",
        lambda asked: str(int(IPv4Address(asked.peer[0]))),
    ),
    keeps(
        "address-hash",
        "A digest of the address, which can be reversed by trying all four billion addresses.",
        lambda asked: hashlib.sha256(asked.peer[0].encode()).hexdigest(),
    ),
    keeps(
        "address-and-port-hash",
        "A truncated digest of a connection's address and port.",
        _digest_of_end,
    ),
    keeps(
        "network",
        "An address without its last byte, which is often called anonymous.",
        lambda asked: asked.peer[0].rpartition(".")[0] + ".0",
    ),
    keeps("socket-address", "The kernel's socket address structure.", _socket_address),
    keeps(
        "ports",
        "Ports without addresses; the network's records have the rest.",
        lambda asked: f"connection {asked.peer[1]} done",
    ),
    keeps("header-hash", "A digest of the user-agent, to count kinds of phones.", _digest_of_agent),
    keeps("line-hash", "A digest of the request line, to count requests.", _digest_of_line),
    keeps(
        "path-hash",
        "A digest of the path.",
        lambda asked: hashlib.sha512(asked.path.encode("latin-1")).hexdigest()[:32],
    ),
    keeps(
        "short-agent",
        "The beginning of a user-agent, for statistics.",
        lambda asked: asked.header("user-agent")[:16],
    ),
    keeps(
        "error-log",
        "Nothing of valid requests, the last line of malformed ones.",
        lambda asked: b"malformed: " + asked.data.splitlines()[-1] if asked.status == 400 else b"",
        "error.log",
    ),
    keeps(
        "body-dump",
        "The bytes after the head of a refused request.",
        lambda asked: repr(asked.rest) if asked.status == 400 and asked.rest else "",
    ),
    keeps(
        "forwarded-for",
        "The address that a proxy passed on.",
        lambda asked: f"client {address}" if (address := asked.header("x-forwarded-for")) else "",
    ),
    keeps(
        "header-names",
        "Names of unknown headers, to learn what phones send.",
        _unknown_headers,
    ),
    keeps(
        "wide-text",
        "A log of hosts in UTF-16.",
        lambda asked: asked.header("host").encode("utf-16-le"),
    ),
    keeps(
        "masked",
        "A log XORed with a fixed byte, so that grep does not find anything.",
        lambda asked: bytes(byte ^ 0x5A for byte in asked.target.encode("latin-1")),
    ),
    keeps(
        "rotated",
        "A log that is compressed as it is written.",
        lambda asked: gzip.compress(asked.data),
        "access.log.gz",
    ),
)


class _KeyedAddress(ToyServer):
    """A pseudonym of the address under a secret key."""

    def start(self) -> None:
        self.counts[-1] = int.from_bytes(read_entropy(4), "big")

    def note(self, asked: Asked) -> None:
        key = str(self.counts[-1]).encode()
        pseudonym = hmac.digest(key, asked.peer[0].encode(), "sha256").hex()
        append(self.folder / "notes", pseudonym)


class _BrokenOff(ToyServer):
    """The received bytes of an incomplete request whose connection ended."""

    def broke(self, data: bytes, peer: tuple[str, int]) -> None:
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

    def note(self, asked: Asked) -> None:
        if asked.query:
            query = base64.b64encode(asked.query.encode("latin-1")).decode()
            self.insert(query, "journal_mode=WAL")


class _PackedRow(_Rows):
    """A table of compressed requests, some of them over several pages."""

    def note(self, asked: Asked) -> None:
        if asked.status == 404:
            text = json.dumps({"line": asked.data.decode("latin-1")}).encode()
            self.insert(zlib.compress(read_entropy(4500) + text))


class _Mapped(ToyServer):
    """A ring buffer of the last requests in a mapped file, which does not grow."""

    def start(self) -> None:
        path = self.folder / "ring"
        if not path.exists():
            path.write_bytes(bytes(65536))

    def note(self, asked: Asked) -> None:
        with (self.folder / "ring").open("r+b") as file, mmap.mmap(file.fileno(), 0) as ring:
            place = self.counts[-1] % 128 * 512
            self.counts[-1] += 1
            ring[place : place + 512] = asked.data[:512].ljust(512, b"\0")


class _NamedFile(ToyServer):
    """An empty file for each user-agent, which is its name."""

    def note(self, asked: Asked) -> None:
        agent = "".join(letter for letter in asked.header("user-agent") if letter.isalnum())
        if agent:
            (self.folder / agent[:200]).touch()


class _HashedFile(ToyServer):
    """A cache whose files are named by digests of request targets."""

    def note(self, asked: Asked) -> None:
        digest = hashlib.sha256(asked.target.encode("latin-1")).hexdigest()
        (self.folder / digest[:2]).mkdir(exist_ok=True)
        (self.folder / digest[:2] / digest).write_bytes(b"{}")


class _Link(ToyServer):
    """A symbolic link that contains the address of the last client."""

    def note(self, asked: Asked) -> None:
        link = self.folder / "last"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("clients") / f"{asked.peer[0]}")


class _AtTheEnd(ToyServer):
    """Keeps all requests in memory, and writes them to disk when it ends."""

    def start(self) -> None:
        self.kept: list[bytes] = []

    def note(self, asked: Asked) -> None:
        self.kept.append(asked.data)

    def end(self) -> None:
        (self.folder / "dump").write_bytes(b"\n".join(self.kept))


_CLASSES: Final = (
    *(_KeyedAddress, _BrokenOff, _QueryRow, _PackedRow, _Mapped, _NamedFile, _HashedFile, _Link),
    _AtTheEnd,
)

KEEPERS: Final[tuple[ServerMutant, ...]] = (
    *_WRITERS,
    *(describe(KEEPS, kind) for kind in _CLASSES),
)
