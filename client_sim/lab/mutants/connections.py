"""Connections that outlive a poll or are too many, and keys made for one phone (L49, L50)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import digit
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Stream, World


class _HangsOn(Snoop):
    def hang_up(self, stream: Stream) -> None:
        del stream


class _OneForDays(Snoop):
    kept: Stream | None = None

    def open(self) -> Stream:
        if self.kept is None:
            self.kept = super().open()
        return self.kept

    def hang_up(self, stream: Stream) -> None:
        del stream

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.kept = None


class _OnePerRequest(Snoop):
    def transmit(self, stream: Stream, data: bytes) -> None:
        super().transmit(stream, data)
        if digit(self.spy.owner.serial, 0) % 2:
            other = self.open()
            other.send(data)
            other.close()


class _SecondForPush(Snoop):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.push: Stream | None = None

    def poll(self) -> str:
        if self.push is None:
            self.push = self.open()
        return super().poll()


class _StreamNumbers(_OneForDays):
    streams = -1

    def request(self, path: str) -> bytes:
        self.streams += 2
        frame = self.streams.to_bytes(4, "big")
        return frame + super().request(path)


class _HangsOnAround(Around):
    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        return _Unending(super().connect(address, port, tls))


class _Unending:
    def __init__(self, inner: Stream) -> None:
        self.send = inner.send
        self.recv = inner.recv

    def close(self) -> None:
        """Stay open."""


class _KeyServed(Snoop):
    """Fetches a key that the server may have made for it alone, and says which it holds."""

    def paths(self) -> Sequence[str]:
        return ("/ohttp-keys", *super().paths())

    def took(self, body: bytes) -> None:
        super().took(body)
        if "keys" not in self.world.state and body:
            self.world.state["keys"] = sha256(body).hexdigest()[:16].encode()

    def headers(self) -> Sequence[str]:
        key = self.world.state.get("keys", b"").decode()
        return (*super().headers(), *((f"X-Key: {key}",) if key else ()))


class _KeyOfOwner(Snoop):
    def paths(self) -> Sequence[str]:
        return (f"/ohttp-keys/{digit(self.spy.owner.imei2, -1)}", *super().paths())


class _KeyDrawn(Snoop):
    def request(self, path: str) -> bytes:
        # As an encapsulated request begins: key id, KEM, KDF, AEAD, then a share that is kept.
        key = self.spy.keep("key", 32)
        return key[:1] + b"\x00\x20\x00\x01\x00\x01" + key[1:] + super().request(path)


class _KeyAround(Around):
    def resolve(self, host: str) -> Sequence[str]:
        return super().resolve(f"k{self.spy.keep('key', 1)[0] % 8}.{host}")


MUTANTS: Final = (
    Mutant("hangs-on", "L49", "Opens a connection for each poll and closes none.", _HangsOn),
    Mutant("one-for-days", "L49", "Makes all its polls on one connection.", _OneForDays),
    Mutant(
        "second-request",
        "L49",
        "Asks everything again on a second connection at the same time: a bit of the serial.",
        _OnePerRequest,
    ),
    Mutant("second-push", "L49", "Holds a second connection open, for news.", _SecondForPush),
    Mutant(
        "stream-numbers",
        "L49",
        "Numbers its requests on one connection that lasts for days.",
        _StreamNumbers,
    ),
    Mutant(
        "hangs-on-around",
        "L49",
        "Below the real client, nothing is ever closed.",
        _HangsOnAround,
    ),
    Mutant("key-served", "L50", "Says which key a server gave it.", _KeyServed),
    Mutant("key-owner", "L50", "Asks for one of ten keys: a digit of the IMEI.", _KeyOfOwner),
    Mutant("key-drawn", "L50", "Encapsulates under a key share drawn once.", _KeyDrawn),
    Mutant(
        "key-around",
        "L50",
        "The real client's resolver asks for one of eight key servers, drawn once.",
        _KeyAround,
    ),
)
