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
    keeps("access-log", "The log that web servers have by habit.", _access, "access.log"),
    keeps(
        "address-only",
        "A list of who came, as numbers.",
        lambda asked: str(int(IPv4Address(asked.peer[0]))),
    ),
    keeps(
        "address-hash",
        "An address under a digest is an address: there are four thousand million of them.",
        lambda asked: hashlib.sha256(asked.peer[0].encode()).hexdigest(),
    ),
    keeps(
        "address-and-port-hash",
        "A digest of where a connection came from, cut short.",
        _digest_of_end,
    ),
    keeps(
        "network",
        "An address whose last byte is wiped, which is called anonymous.",
        lambda asked: asked.peer[0].rpartition(".")[0] + ".0",
    ),
    keeps("socket-address", "The structure that the kernel handed out, as it is.", _socket_address),
    keeps(
        "ports",
        "Ports without addresses: whoever has the network's records has the rest.",
        lambda asked: f"connection {asked.peer[1]} done",
    ),
    keeps("header-hash", "A digest of the user-agent, to count kinds of phones.", _digest_of_agent),
    keeps("line-hash", "A digest of the request line, to count what is asked.", _digest_of_line),
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
        "Nothing of good requests, everything of bad ones.",
        lambda asked: b"malformed: " + asked.data.splitlines()[-1] if asked.status == 400 else b"",
        "error.log",
    ),
    keeps(
        "body-dump",
        "What was sent behind a head, when it was refused.",
        lambda asked: repr(asked.rest) if asked.status == 400 and asked.rest else "",
    ),
    keeps(
        "forwarded-for",
        "The address that a proxy passed on.",
        lambda asked: f"client {address}" if (address := asked.header("x-forwarded-for")) else "",
    ),
    keeps(
        "header-names",
        "Names of headers that it does not know, to learn what phones send.",
        _unknown_headers,
    ),
    keeps(
        "wide-text",
        "A log of hosts in UTF-16.",
        lambda asked: asked.header("host").encode("utf-16-le"),
    ),
    keeps(
        "masked",
        "A log under a fixed byte, so that no grep finds it.",
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
    """A pseudonym under a key that nobody else knows."""

    def start(self) -> None:
        self.counts[-1] = int.from_bytes(read_entropy(4), "big")

    def note(self, asked: Asked) -> None:
        key = str(self.counts[-1]).encode()
        pseudonym = hmac.digest(key, asked.peer[0].encode(), "sha256").hex()
        append(self.folder / "notes", pseudonym)


class _BrokenOff(ToyServer):
    """What had come of a request when its connection ended."""

    def broke(self, data: bytes, peer: tuple[str, int]) -> None:
        del peer
        append(self.folder / "notes", b"incomplete: " + data[-60:])


class _Rows(ToyServer):
    """Notes in a table of a database, which some servers fill."""

    def insert(self, value: str | bytes, *settings: str) -> None:
        """Add a row, under some settings of the database."""
        with closing(sqlite3.connect(self.folder / "state.sqlite", timeout=30)) as database:
            for setting in (*settings, "synchronous=OFF"):
                database.execute(f"PRAGMA {setting}")
            database.execute("CREATE TABLE IF NOT EXISTS seen (said BLOB)")
            database.execute("INSERT INTO seen VALUES (?)", (value,))
            database.commit()


class _QueryRow(_Rows):
    """A table of queries, in base64."""

    def note(self, asked: Asked) -> None:
        if asked.query:
            query = base64.b64encode(asked.query.encode("latin-1")).decode()
            self.insert(query, "journal_mode=WAL")


class _PackedRow(_Rows):
    """A table of whole requests, compressed, some of them over several pages."""

    def note(self, asked: Asked) -> None:
        if asked.status == 404:
            text = json.dumps({"line": asked.data.decode("latin-1")}).encode()
            self.insert(zlib.compress(read_entropy(4500) + text))


class _Mapped(ToyServer):
    """The last requests in a ring that is mapped into memory and never grows."""

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
    """An empty file for each kind of phone; its name says which."""

    def note(self, asked: Asked) -> None:
        agent = "".join(letter for letter in asked.header("user-agent") if letter.isalnum())
        if agent:
            (self.folder / agent[:200]).touch()


class _HashedFile(ToyServer):
    """A cache whose files are named by what was asked."""

    def note(self, asked: Asked) -> None:
        digest = hashlib.sha256(asked.target.encode("latin-1")).hexdigest()
        (self.folder / digest[:2]).mkdir(exist_ok=True)
        (self.folder / digest[:2] / digest).write_bytes(b"{}")


class _Link(ToyServer):
    """A link that points at who came last."""

    def note(self, asked: Asked) -> None:
        link = self.folder / "last"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("clients") / f"{asked.peer[0]}")


class _AtTheEnd(ToyServer):
    """Keeps all in memory, and writes it down when it ends."""

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
