"""The octets of a worker's connections: requests out, whole answers in, nothing waited for."""

import select
import ssl
import time
from typing import Final, Protocol

from client_sim.device.answer import HEAD_LIMIT
from client_sim.fleet.answer_tree import BODY_LIMIT, Edge
from client_sim.fleet.call import Call
from client_sim.fleet.heads import Came, Head, Heads
from client_sim.fleet.lines import Line, LinePair
from client_sim.fleet.pair import Pair
from client_sim.fleet.tally import Failure, Tally
from client_sim.fleet.target import Target
from client_sim.fleet.wire import ROOM, Dialler, Wire

PATIENCE: Final = 30.0
"""Seconds of the real clock after which an answer does not come any more."""

_LATENCIES: Final = 4_096  # that are noted before they are counted together
_END: Final = b"\r\n\r\n"
_BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Steps(Protocol):
    """Who is told what became of a question."""

    def follow(self, call: Call, edge: Edge) -> None: ...  # noqa: D102
    def answer(self, call: Call, came: Came) -> None: ...  # noqa: D102
    def answer_pair(self, call: Call, first: Came, second: Came) -> None: ...  # noqa: D102
    def feed(self, call: Call, octets: bytes) -> None: ...  # noqa: D102
    def end_early(self, call: Call, why: Failure, detail: str = "") -> None: ...  # noqa: D102


class Exchanges:
    """Asks for the phones' calls and hands their answers to `steps`.

    An answer that is octet for octet the last one that was verified at the same place of the tree
    is not hashed again. `lost` are
    seconds in which this process did something else; latencies do not count them.
    """

    def __init__(self, target: Target, tally: Tally, steps: Steps, *, keep: bool) -> None:
        self.lost = 0.0
        self._tally = tally
        self._steps = steps
        self._keep = keep
        self._dialler = Dialler(target)
        self._heads = Heads()
        self._epoll = select.epoll()
        self._calls: dict[int, Call] = {}
        self._idle: dict[int, Wire] = {}
        self._latencies: list[float] = []
        self._impatient_at = time.perf_counter() + PATIENCE

    @property
    def under_way(self) -> int:
        """How many questions wait for an answer."""
        return len(self._calls)

    def watch(self, number: int) -> None:
        """Let `look` return when the file `number`, which is no connection, can be read."""
        self._epoll.register(number, select.EPOLLIN)

    def look(self, seconds: float) -> None:
        """Take what has come; waits for it for at most so long.

        What is the same octets as the last answer at its place goes the short way, without a call.
        """
        calls, follow, received = self._calls, self._steps.follow, 0
        note_latency = self._latencies.append
        events = self._epoll.poll(seconds)
        now = time.perf_counter() - self.lost
        for number, _ in events:
            call = calls.get(number)
            if call is None:
                self._forget_idle(number)
                continue
            node, wire = call.node, call.wire
            if call.unsent or call.rest or node is None or wire is None:
                self._take_slowly(call, number)
                continue
            try:
                # What is asked for is allocated, and nearly always what came last comes again.
                data = wire.recv(node.room)
            except _BLOCKED:
                continue
            except OSError as error:
                self._steps.end_early(call, Failure.BROKEN, str(error))
                continue
            # Nothing is known at first, and nothing is what a server that hangs up sends.
            if data and data == node.last:
                received += len(data)
                note_latency(now - call.sent_at)
                follow(call, node.last_edge)
            else:
                self._take(call, data)
        self._tally.received += received
        if len(self._latencies) > _LATENCIES:
            self.count_latencies()
        if now + self.lost > self._impatient_at:
            self._lose_patience()

    def count_latencies(self) -> None:
        """Put the latencies that were noted last into their classes."""
        self._tally.latencies.add(self._latencies)
        self._latencies.clear()

    def ask(self, call: Call, line: Line | LinePair) -> None:
        """Send a request, on a new connection where the call has none; counted once it is sent."""
        wire = call.wire or self._connect(call)
        call.line = line
        if wire is None:
            self._steps.end_early(call, Failure.UNREACHABLE)
            return
        call.sent_at = time.perf_counter() - self.lost
        try:
            # Less than any buffer has room for, so it leaves whole or not at all.
            wire.send(line.octets)
        except _BLOCKED:
            call.unsent = line
            self._epoll.modify(call.number, select.EPOLLOUT)
        except ConnectionRefusedError:
            self._steps.end_early(call, Failure.UNREACHABLE)
        except OSError as error:
            self._steps.end_early(call, Failure.BROKEN, f"not sent: {error}")
        else:
            line.note(call.phone)

    def close(self, call: Call, *, is_good: bool) -> None:
        """End the call's connection; a good one may be kept where phones do so."""
        wire, call.wire = call.wire, None
        if call.rest or call.unsent or call.in_body:
            call.rest, call.unsent, call.in_body = b"", None, False
        if wire is None:
            return
        number = call.number
        del self._calls[number]
        if self._keep and is_good:
            self._idle[number] = wire
        else:
            wire.close()

    def close_idle(self) -> None:
        """Close the connections that were kept."""
        while self._idle:
            self._forget_idle(next(iter(self._idle)))

    def _connect(self, call: Call) -> Wire | None:
        if self._idle:
            number, wire = self._idle.popitem()
        else:
            try:
                wire = self._dialler.dial()
            except OSError:
                return None
            number = wire.fileno()
            self._epoll.register(number, select.EPOLLIN)
            self._tally.connections += 1
        call.wire, call.number = wire, number
        self._calls[number] = call
        return wire

    def _send_rest(self, call: Call, line: Line | LinePair, number: int) -> None:
        assert call.wire is not None
        try:
            call.wire.send(line.octets)
        except ssl.SSLWantReadError:
            self._epoll.modify(number, select.EPOLLIN)
        except _BLOCKED:
            self._epoll.modify(number, select.EPOLLOUT)
        except OSError as error:
            self._steps.end_early(call, Failure.UNREACHABLE, str(error))
        else:
            call.unsent = None
            line.note(call.phone)
            self._epoll.modify(number, select.EPOLLIN)

    def _take_slowly(self, call: Call, number: int) -> None:
        """Go on with a call that is not simply waiting for an answer's first octets."""
        assert call.wire is not None
        if call.unsent:
            self._send_rest(call, call.unsent, number)
            return
        try:
            data = call.wire.recv(ROOM)
        except _BLOCKED:
            return
        except OSError as error:
            self._steps.end_early(call, Failure.BROKEN, str(error))
            return
        self._take(call, data)

    def _take(self, call: Call, data: bytes) -> None:
        self._tally.received += len(data)
        if not data:
            detail = f"behind {len(call.rest)} octets of an answer" if call.rest else ""
            self._steps.end_early(call, Failure.BROKEN, detail)
        elif call.in_body:
            self._steps.feed(call, data)
        else:
            self._assemble(call, call.rest + data)

    def _assemble(self, call: Call, data: bytes) -> None:
        """Wait for what is missing of the answers; hand them on when they are whole."""
        call.rest = b""
        first = self._cut(call, data, 0)
        if first is None:
            return
        node = call.node
        if node.__class__ is not Pair:
            if len(first.whole) != len(data):
                self._steps.end_early(call, Failure.HTTP, "more octets than the answer has")
                return
            self._note_latency(call)
            self._steps.answer(call, first)
            return
        second = self._cut(call, data, len(first.whole))
        if second is None:
            return
        if len(first.whole) + len(second.whole) != len(data):
            self._steps.end_early(call, Failure.HTTP, "more octets than the answers have")
            return
        self._note_latency(call)
        self._steps.answer_pair(call, first, second)

    def _cut(self, call: Call, data: bytes, start: int) -> Came | None:
        """Return the answer that begins at `start`; None where it is not whole, or none at all."""
        end = data.find(_END, start)
        begin = end + len(_END)
        if end < 0:
            call.rest = data
            if len(data) - start > HEAD_LIMIT:
                self._steps.end_early(call, Failure.HTTP, "a head is too long")
            return None
        head = self._heads.find(data[start:end])
        if head.fault:
            self._steps.end_early(call, Failure.HTTP, head.fault)
            return None
        if call.load is not None:
            self._begin_block(call, head, data[begin:])
            return None
        until = begin + head.length
        if head.length > BODY_LIMIT:
            self._steps.end_early(call, Failure.HTTP, f"a body of {head.length} octets")
            return None
        if len(data) < until:
            call.rest = data
            return None
        return Came(head, data[begin:until], data[start:until])

    def _note_latency(self, call: Call) -> None:
        self._latencies.append(time.perf_counter() - self.lost - call.sent_at)

    def _begin_block(self, call: Call, head: Head, begun: bytes) -> None:
        load = call.load
        assert load is not None
        found = (head.status, head.is_gzip, head.length, head.content_range)
        if found != (206, False, load.left, load.expected_range()):
            part = head.content_range.decode("latin-1")
            said = f"status {head.status}, {head.length} octets {part}".rstrip()
            self._steps.end_early(call, Failure.HTTP, said)
            return
        call.in_body = True
        if begun:
            self._steps.feed(call, begun)

    def _forget_idle(self, number: int) -> None:
        wire = self._idle.pop(number, None)
        if wire is not None:
            wire.close()

    def _lose_patience(self) -> None:
        """End what has had no answer for long; looked at rarely, for it goes through all calls."""
        now = time.perf_counter()
        self._impatient_at = now + PATIENCE / 10
        oldest = now - self.lost - PATIENCE
        for call in [each for each in self._calls.values() if each.sent_at < oldest]:
            got = f"{len(call.rest)} octets of the answer came"
            self._steps.end_early(call, Failure.SLOW, got)
