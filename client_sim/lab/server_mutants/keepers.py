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

from client_sim.clock import read_entropy
from client_sim.lab.server_mutants.toy import Asked, ToyServer


class _Writer(ToyServer):
    """A server with a file beside its state, one line for each note."""

    name = "notes"

    def write(self, line: str | bytes) -> None:
        data = line if isinstance(line, bytes) else line.encode("latin-1")
        with (self.folder / self.name).open("ab") as file:
            file.write(data + b"\n")


class _AccessLog(_Writer):
    """The log that web servers have by habit."""

    name = "access.log"

    def note(self, asked: Asked) -> None:
        agent = asked.header("user-agent") or "-"
        line = f'{asked.peer[0]} - - "{asked.method} {asked.target}" {asked.status} "{agent}"'
        self.write(line)


class _AddressOnly(_Writer):
    """A list of who came, as numbers."""

    def note(self, asked: Asked) -> None:
        self.write(str(int(IPv4Address(asked.peer[0]))))


class _AddressHash(_Writer):
    """An address under a digest is an address: there are four thousand million of them."""

    def note(self, asked: Asked) -> None:
        self.write(hashlib.sha256(asked.peer[0].encode()).hexdigest())


class _AddressAndPortHash(_Writer):
    """A digest of where a connection came from, cut short."""

    def note(self, asked: Asked) -> None:
        end = f"{asked.peer[0]}:{asked.peer[1]}"
        self.write(hashlib.md5(end.encode(), usedforsecurity=False).hexdigest()[:20])


class _Network(_Writer):
    """An address whose last byte is wiped, which is called anonymous."""

    def note(self, asked: Asked) -> None:
        self.write(asked.peer[0].rpartition(".")[0] + ".0")


class _SocketAddress(_Writer):
    """The structure that the kernel handed out, as it is."""

    def note(self, asked: Asked) -> None:
        packed = IPv4Address(asked.peer[0]).packed
        self.write(struct.pack("=H", 2) + struct.pack("!H", asked.peer[1]) + packed + bytes(8))


class _Ports(_Writer):
    """Ports without addresses: whoever has the network's records has the rest."""

    def note(self, asked: Asked) -> None:
        self.write(f"connection {asked.peer[1]} done")


class _KeyedAddress(_Writer):
    """A pseudonym under a key that nobody else knows."""

    def start(self) -> None:
        self.counts[-1] = int.from_bytes(read_entropy(4), "big")

    def note(self, asked: Asked) -> None:
        key = str(self.counts[-1]).encode()
        self.write(hmac.digest(key, asked.peer[0].encode(), "sha256").hex())


class _HeaderHash(_Writer):
    """A digest of the user-agent, to count kinds of phones."""

    def note(self, asked: Asked) -> None:
        self.write(
            hashlib.sha1(asked.header("user-agent").encode(), usedforsecurity=False).hexdigest()
        )


class _LineHash(_Writer):
    """A digest of the request line, to count what is asked."""

    def note(self, asked: Asked) -> None:
        line = asked.data.partition(b"\r\n")[0]
        self.write(base64.b64encode(hashlib.sha256(line).digest()))


class _PathHash(_Writer):
    """A digest of the path."""

    def note(self, asked: Asked) -> None:
        self.write(hashlib.sha512(asked.path.encode("latin-1")).hexdigest()[:32])


class _ShortAgent(_Writer):
    """The beginning of a user-agent, for statistics."""

    def note(self, asked: Asked) -> None:
        self.write(asked.header("user-agent")[:16])


class _ErrorLog(_Writer):
    """Nothing of good requests, everything of bad ones."""

    name = "error.log"

    def note(self, asked: Asked) -> None:
        if asked.status == 400:
            self.write(b"malformed: " + asked.data.splitlines()[-1])


class _BodyDump(_Writer):
    """What was sent behind a head, when it was refused."""

    def note(self, asked: Asked) -> None:
        if asked.status == 400 and asked.rest:
            self.write(repr(asked.rest))


class _ForwardedFor(_Writer):
    """The address that a proxy passed on."""

    def note(self, asked: Asked) -> None:
        if address := asked.header("x-forwarded-for"):
            self.write(f"client {address}")


class _HeaderNames(_Writer):
    """Names of headers that it does not know, to learn what phones send."""

    def note(self, asked: Asked) -> None:
        for name, _ in asked.lines:
            if name.lower().startswith("x-"):
                self.write(f"unknown header {name}")


class _BrokenOff(_Writer):
    """What had come of a request when its connection ended."""

    def broke(self, data: bytes, peer: tuple[str, int]) -> None:
        del peer
        self.write(b"incomplete: " + data[-60:])


class _WideText(_Writer):
    """A log of hosts in UTF-16."""

    def note(self, asked: Asked) -> None:
        self.write(asked.header("host").encode("utf-16-le"))


class _Masked(_Writer):
    """A log under a fixed byte, so that no grep finds it."""

    def note(self, asked: Asked) -> None:
        self.write(bytes(byte ^ 0x5A for byte in asked.target.encode("latin-1")))


class _Rotated(_Writer):
    """A log that is compressed as it is written."""

    name = "access.log.gz"

    def note(self, asked: Asked) -> None:
        self.write(gzip.compress(asked.data))


class _QueryRow(ToyServer):
    """A table of queries, in base64."""

    def note(self, asked: Asked) -> None:
        if not asked.query:
            return
        with closing(sqlite3.connect(self.folder / "state.sqlite", timeout=30)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=OFF")
            database.execute("CREATE TABLE IF NOT EXISTS seen (query TEXT)")
            query = base64.b64encode(asked.query.encode("latin-1")).decode()
            database.execute("INSERT INTO seen VALUES (?)", (query,))
            database.commit()


class _PackedRow(ToyServer):
    """A table of whole requests, compressed, some of them over several pages."""

    def note(self, asked: Asked) -> None:
        if asked.status != 404:
            return
        with closing(sqlite3.connect(self.folder / "state.sqlite", timeout=30)) as database:
            database.execute("PRAGMA synchronous=OFF")
            database.execute("CREATE TABLE IF NOT EXISTS seen (request BLOB)")
            text = json.dumps({"line": asked.data.decode("latin-1")}).encode()
            packed = zlib.compress(read_entropy(4500) + text)
            database.execute("INSERT INTO seen VALUES (?)", (packed,))
            database.commit()


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


KEEPERS = (
    *(
        _AccessLog,
        _AddressOnly,
        _AddressHash,
        _AddressAndPortHash,
        _Network,
        _SocketAddress,
        _Ports,
    ),
    *(
        _KeyedAddress,
        _HeaderHash,
        _LineHash,
        _PathHash,
        _ShortAgent,
        _ErrorLog,
        _BodyDump,
        _ForwardedFor,
    ),
    *(
        _HeaderNames,
        _BrokenOff,
        _WideText,
        _Masked,
        _Rotated,
        _QueryRow,
        _PackedRow,
        _Mapped,
        _NamedFile,
    ),
    *(_HashedFile, _Link, _AtTheEnd),
)
