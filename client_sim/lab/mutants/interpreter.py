"""Makes a leaky client from a row: the toy client, or the phone's own over a leaky transport.

Both record what triggers and sources read: what happened, in which poll, and the server's headers.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from client_sim.device.choose import Offer
from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.errors import DeviceError, UnreachableError
from client_sim.device.records import store_due
from client_sim.device.trust import SignedTarget
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import LeakingWorld, Mutant
from client_sim.lab.mutants.places import INSTALLATION
from client_sim.lab.mutants.rows import (
    InBytes,
    InClose,
    InOffer,
    InPaths,
    InTarget,
    InTime,
    Row,
    SideAction,
    Target,
)
from client_sim.lab.mutants.spy import Spy
from client_sim.transport import Connection
from client_sim.world import Client, Event, Stream, World


def make_mutant(row: Row) -> Mutant:
    """Return the client of a row."""

    def make(world: World) -> Client:
        leak = _Leak(world, row)
        return _RealClient(_Transport(world, leak), leak) if row.real else _Toy(world, leak)

    return Mutant(row.id, row.family, row.leak, make, only=row.only)


def find_value(head: str, name: str) -> str:
    """Return the value of the first header line of that name, or an empty text."""
    for line in head.split("\r\n"):
        field, colon, value = line.partition(":")
        if colon and field.lower() == name.lower():
            return value.strip()
    return ""


class _Leak:
    """The common part of both kinds of clients: a row, its notes, and its changes of traffic."""

    def __init__(self, world: World, row: Row) -> None:
        self.row = row
        self.place = row.place
        self.world = world
        self.spy = Spy(world)
        self.spy.record("start")
        self.act("start")

    def act(self, moment: str) -> None:
        """Perform the row's action for this moment, if it has one."""
        if not isinstance(self.place, SideAction) or self.place.moment != moment:
            return
        if (value := self.leaked_value()) is not None:
            self.place.act(value, self.world)

    def leaked_value(self) -> bytes | None:
        """Return the row's encoded value if its trigger holds, or None."""
        return self.row.leaked_value(self.spy)

    def record_event(self, event: Event) -> None:
        """Record an event, and its details only if they are the row's source."""
        self.spy.record("event")
        self.spy.record(event.name)
        if self.row.source.event == event.name:
            self.spy.record_details(event)
        self.act(event.name)

    def record_head(self, head: str) -> None:
        """Record the head of an answer."""
        status, requested = head[9:12], self.world.state["requested"]
        if status not in {"200", "404"}:
            self.spy.record("strange answer")
        last = requested[max(0, requested.rfind(b"GET ")) :]
        if status not in {"200", "206"} and re.match(INSTALLATION, last):
            self.spy.record("refused installation")
        for name in (self.row.source.header, self.row.trigger.header):
            if name and (value := find_value(head, name)):
                self.spy.record_header(name, value)

    def receive(self, data: bytes) -> None:
        """Count received bytes, and record the head if an answer begins here."""
        self.spy.world.state["received"] = b"%d" % (self.spy.get_count("received") + len(data))
        if data.startswith(b"HTTP/1."):
            self.record_head(data.partition(b"\r\n\r\n")[0].decode("latin-1"))

    def writes(self, data: bytes) -> Sequence[bytes]:
        """Record a request, and return the writes that replace it."""
        self.world.state["requested"] += data
        if not isinstance(self.place, InBytes) or (value := self.leaked_value()) is None:
            return (data,)
        written = self.place.put(value, data)
        return (written,) if isinstance(written, bytes) else written

    def due(self, now: float, due: float, *, at_draw: bool) -> float:
        """Return the changed time of the next poll."""
        if not isinstance(self.place, InTime) or self.place.at_draw != at_draw:
            return due
        value = self.leaked_value()
        return due if value is None else self.place.put(value, now, due)

    def paths(self, paths: Sequence[str]) -> Sequence[str]:
        """Return the changed paths of a poll."""
        if not isinstance(self.place, InPaths) or (value := self.leaked_value()) is None:
            return paths
        return self.place.put(value, paths)

    def connect(self, world: World, address: str, target: Target) -> Stream:
        """Connect, and record the address, or a refusal."""
        self.world.state["server address"] = address.encode()
        self.world.state["requested"] = b""
        try:
            return world.connect(address, target.port, target.tls)
        except OSError:
            self.spy.record("refusal")
            self.act("refusal")
            raise

    def close(self, stream: Stream) -> None:
        """Close a connection as the row does."""
        if isinstance(self.place, InClose) and (value := self.leaked_value()) is not None:
            self.place.put(value, stream)
        else:
            stream.close()

    def ignores_offer(self) -> bool:
        """Return whether the row ignores an offer."""
        if not isinstance(self.place, InOffer) or (value := self.leaked_value()) is None:
            return False
        return self.place.put(value)

    def target(self, target: Target) -> Target:
        """Return the changed target of a connection."""
        if not isinstance(self.place, InTarget) or (value := self.leaked_value()) is None:
            return target
        return self.place.put(value, target)


class _Toy(ToyClient):
    """The toy client with a leak in it."""

    def __init__(self, world: World, leak: _Leak) -> None:
        super().__init__(world)
        self._leak = leak

    def poll(self) -> str:
        self._leak.spy.begin_poll()
        self._leak.act("poll")
        outcome = super().poll()
        self._leak.act("polled")
        return outcome

    def on_event(self, event: Event) -> None:
        self._leak.record_event(event)

    def next_poll(self, now: float) -> float:
        return self._leak.due(now, super().next_poll(now), at_draw=False)

    def draw(self, now: float) -> float:
        return self._leak.due(now, super().draw(now), at_draw=True)

    def open(self) -> Stream:
        target = self.target()
        addresses = self.world.resolve(target.host)
        address = addresses[target.address % len(addresses)]
        return self._leak.connect(self.world, address, target)

    def disconnect(self, stream: Stream) -> None:
        self._leak.close(stream)

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        start = self.world.now()
        counted = _CountingStream(stream)
        answer = super().receive(counted)
        self.world.state["reads of an answer"] = b"%d" % counted.reads
        self.world.state["seconds of an answer"] = b"%d" % (self.world.now() - start)
        return answer

    def target(self) -> Target:
        public = self.world.public
        name = public.host if public.tls else None
        return self._leak.target(Target(public.host, public.port, name))

    def host(self) -> str:
        return self.target().host

    def port(self) -> int:
        return self.target().port

    def server_name(self) -> str | None:
        return self.target().tls

    def paths(self) -> Sequence[str]:
        return self._leak.paths(super().paths())

    def transmit(self, stream: Stream, data: bytes) -> None:
        for written in self._leak.writes(data):
            stream.send(written)

    def answered(self, head: str) -> None:
        self._leak.record_head(head)

    def failed(self, error: OSError) -> None:
        del error
        self._leak.spy.record("failure")
        self._leak.act("failure")


class _CountingStream:
    """A stream that counts its reads."""

    def __init__(self, inner: Stream) -> None:
        self.reads = 0
        self.send = inner.send
        self.close = inner.close
        self._inner = inner

    def recv(self, limit: int) -> bytes:
        self.reads += 1
        return self._inner.recv(limit)


class _Transport(LeakingWorld):
    """The world of the real client, whose sent and received bytes pass through a leak."""

    def __init__(self, outer: World, leak: _Leak) -> None:
        super().__init__(outer)
        self._leak = leak

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        self._leak.act("connect")
        target = self._leak.target(Target(self.public.host, port, tls))
        return self._leak.connect(self.outer, address, target)

    def transmit(self, stream: Stream, data: bytes) -> None:
        for written in self._leak.writes(data):
            stream.send(written)

    def received(self, data: bytes) -> None:
        self._leak.receive(data)

    def disconnect(self, stream: Stream) -> None:
        self._leak.close(stream)


class _RealClient(PollingClient):
    """The phone's own, clean client over a leaky transport."""

    def __init__(self, transport: _Transport, leak: _Leak) -> None:
        super().__init__(transport)
        self._leak = leak

    def poll(self) -> PollOutcome:
        self._leak.spy.begin_poll()
        self._leak.act("poll")
        start = self._leak.world.now()
        outcome = super().poll()
        self._leak.world.state["seconds of a poll"] = b"%d" % (self._leak.world.now() - start)
        if outcome.failure is not None:
            self._leak.spy.record("failure")
            if isinstance(outcome.failure, UnreachableError):
                self._leak.spy.record("outage")
            self._leak.act("failure")
        else:
            self._leak.spy.record("changed" if outcome.changed else "unchanged")
        if any("is not used" in warning for warning in outcome.warnings):
            self._leak.spy.record("bad pack")
        if outcome.halted:
            self._leak.spy.record("halt")
        if outcome.offer is not None:
            self._leak.spy.record("offer")
            if self._leak.ignores_offer():
                outcome = replace(outcome, offer=None)
        self._leak.act("polled")
        return outcome

    def on_event(self, event: Event) -> None:
        self._leak.record_event(event)

    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        self._leak.spy.record("installation")
        try:
            return super().fetch_release(offer, connection)
        except DeviceError:
            self._leak.spy.record("failed installation")
            raise

    def next_poll(self, now: float) -> float:
        state = self._leak.world.state
        if now < float(state.get("asked at", b"%r" % now)):
            self._leak.spy.record("a clock that went back")
        state["asked at"] = b"%r" % now
        previous = state.get("due")
        due = super().next_poll(now)
        if state.get("due") != previous:
            due = store_due(state, self._leak.due(now, due, at_draw=True))
        return self._leak.due(now, due, at_draw=False)
