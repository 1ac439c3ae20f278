"""Clients that differ from the clean one but do not leak; no judge may raise an alarm."""

import json
import os
import shutil
import socket
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.device.client import PollingClient, PollOutcome
from client_sim.lab.clients.following import DownloadingToy, FollowingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import LeakingWorld, Mutant, leak_in_transport
from client_sim.world import Event, Stream, World

_FAMILY: Final = "equivalent"
_SHORTEST: Final = 14_400
_SPREAD: Final = 14_401


class _LongDraw(ToyClient):
    def draw(self, now: float) -> float:
        return now + _SHORTEST + int.from_bytes(self.world.entropy(16), "little") % _SPREAD


class _ShortDraw(ToyClient):
    def draw(self, now: float) -> float:
        return now + _SHORTEST + int.from_bytes(self.world.entropy(4), "big") % _SPREAD


class _FractionDraw(ToyClient):
    def draw(self, now: float) -> float:
        part = int.from_bytes(self.world.entropy(7), "big") / 2**56
        return now + _SHORTEST + part * _SHORTEST


class _Rejecting(ToyClient):
    def draw(self, now: float) -> float:
        # Rejection sampling: all offsets are equally likely.
        while (drawn := int.from_bytes(self.world.entropy(2), "big") & 0x3FFF) >= _SPREAD:
            pass
        return now + _SHORTEST + drawn


class _KeptDue(ToyClient):
    def poll(self) -> str:
        self.world.state.pop("due", None)
        return super().poll()

    def next_poll(self, now: float) -> float:
        due = float(self.world.state.get("due", b"0"))
        if not now < due <= now + _SHORTEST + _SPREAD:
            due = super().next_poll(now)
            self.world.state["due"] = repr(due).encode()
        return due


class _SmallReads(ToyClient):
    def receive(self, stream: Stream) -> tuple[str, bytes]:
        return super().receive(_Sipping(stream))


class _Sipping:
    def __init__(self, inner: Stream) -> None:
        self.send = inner.send
        self.close = inner.close
        self._inner = inner

    def recv(self, limit: int) -> bytes:
        return self._inner.recv(min(limit, 100))


class _UnusedState(ToyClient):
    def poll(self) -> str:
        self.world.state["polled"] = b"%d" % int(self.world.now())
        self.world.state["log"] = (self.world.state.get("log", b"") + b".")[-64:]
        return super().poll()


class _PublicDigest(ToyClient):
    def poll(self) -> str:
        public = self.world.public
        facts = f"{public.codename} {public.region} {public.channel} {public.build.fingerprint}"
        self.world.state["facts"] = sha256(facts.encode()).digest()
        return super().poll()


class _Walking(ToyClient):
    """Requests one root after another until there is none; eight are always enough."""

    def poll(self) -> str:
        _, timestamp = self.paths()
        try:
            stream = self.open()
            try:
                for version in range(2, 10):
                    self.transmit(stream, self.request(f"/metadata/{version}.root.json"))
                    head, _ = self.receive(stream)
                    if not head.startswith("HTTP/1.1 200"):
                        break
                self.transmit(stream, self.request(timestamp))
                self.receive(stream)
            finally:
                self.disconnect(stream)
        except OSError:
            return "another time"
        return "nothing new"


class _ExtraDraws(ToyClient):
    def poll(self) -> str:
        self.world.state["secret"] = self.world.entropy(32)
        return super().poll()


class _CountingEvents(ToyClient):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.counts: dict[str, int] = {}

    def on_event(self, event: Event) -> None:
        self.counts[event.name] = self.counts.get(event.name, 0) + 1


class _ByName(ToyClient):
    def open(self) -> Stream:
        public = self.world.public
        return self.world.connect(public.host, public.port, public.host if public.tls else None)


class _CachedAddress(ToyClient):
    addresses: Sequence[str] = ()

    def poll(self) -> str:
        self.addresses = ()
        return super().poll()

    def open(self) -> Stream:
        public = self.world.public
        self.addresses = self.addresses or self.world.resolve(public.host)
        address = self.addresses[0]
        return self.world.connect(address, public.port, public.host if public.tls else None)


class _Careful(ToyClient):
    def received_body(self, body: bytes) -> None:
        try:
            json.loads(body)
        except ValueError:
            self.world.state["unread"] = b"1"

    def poll(self) -> str:
        try:
            return super().poll()
        except (OSError, ValueError):
            return "another time"


class _ReadingFacts(ToyClient):
    def poll(self) -> str:
        facts = (socket.gethostname(), os.getuid(), os.getpid(), os.cpu_count(), time.tzname)
        self.world.state["machine"] = repr((*facts, shutil.disk_usage("/"))).encode()
        return super().poll()


class _ReadsAnswers(ToyClient):
    """Stores the server's answers, and does nothing with them."""

    def answered(self, head: str) -> None:
        self.world.state["head"] = head.encode("latin-1")

    def received_body(self, body: bytes) -> None:
        self.world.state["body"] = body


class _CountingRefusals(LeakingWorld):
    def received(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 ") and data[9:11] != b"20":
            self.state["refused"] = self.state.get("refused", b"") + b"."


class _Around(LeakingWorld):
    """The real client, wrapped by another class, in a world that forwards everything."""

    def __init__(self, outer: World) -> None:
        super().__init__(outer)
        self.client = PollingClient(self)

    def poll(self) -> PollOutcome:
        return self.client.poll()

    def on_event(self, event: Event) -> None:
        self.client.on_event(event)

    def next_poll(self, now: float) -> float:
        return self.client.next_poll(now)


EQUIVALENTS: Final = (
    Mutant("same-long-draw", _FAMILY, "Draws sixteen bytes for its interval.", _LongDraw),
    Mutant("same-short-draw", _FAMILY, "Draws four bytes for its interval.", _ShortDraw),
    Mutant("same-fraction", _FAMILY, "Draws a fraction of four hours, not seconds.", _FractionDraw),
    Mutant("same-rejecting", _FAMILY, "Draws until a draw is in range: no bias.", _Rejecting),
    Mutant("same-kept-due", _FAMILY, "Keeps its due time over a restart, used once.", _KeptDue),
    Mutant("same-small-reads", _FAMILY, "Reads answers in pieces of 100 bytes.", _SmallReads),
    Mutant("same-unused-state", _FAMILY, "Keeps a log that it does not use.", _UnusedState),
    Mutant("same-public-digest", _FAMILY, "Keeps a digest of public facts.", _PublicDigest),
    Mutant("same-walking", _FAMILY, "Requests root after root until there is none.", _Walking),
    Mutant("same-extra-draws", _FAMILY, "Draws a secret in each poll and keeps it.", _ExtraDraws),
    Mutant("same-counting", _FAMILY, "Counts events in memory, unused.", _CountingEvents),
    Mutant("same-by-name", _FAMILY, "Connects to the name, which is then resolved.", _ByName),
    Mutant("same-cached", _FAMILY, "Keeps the address for one poll.", _CachedAddress),
    Mutant("same-careful", _FAMILY, "Parses answers as JSON, and survives other bytes.", _Careful),
    Mutant("same-reading", _FAMILY, "Keeps all answers, and does not use them.", _ReadsAnswers),
    Mutant("same-download", _FAMILY, "Fetches the package of its model.", DownloadingToy),
    Mutant(
        "same-download-crossed",
        _FAMILY,
        "The same under combined conditions.",
        DownloadingToy,
        only=("crossed",),
    ),
    Mutant("same-packs", _FAMILY, "Follows new metadata and fetches packs.", FollowingToy),
    Mutant(
        "same-packs-kept-back",
        _FAMILY,
        "The same with withheld parts, and bad, withdrawn or turned back packs.",
        FollowingToy,
        only=("parts", "packs", "holdings"),
    ),
    Mutant(
        "same-looking",
        _FAMILY,
        "Stores facts about its machine at each poll, unused.",
        _ReadingFacts,
    ),
    Mutant(
        "same-noting-refusals",
        _FAMILY,
        "Counts refused requests in the transport of the real client, unused.",
        leak_in_transport(_CountingRefusals),
        only=("install-faults",),
    ),
    Mutant("same-around", _FAMILY, "The real client in a world that forwards all.", _Around),
)
