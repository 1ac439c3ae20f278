"""Non-blocking input and output of a worker's connections: requests out, whole answers in."""

import select
import ssl
from collections import deque
from typing import Final, Protocol

from client_sim.fleet.answers import AnswerFault, Answers, Came, Head
from client_sim.fleet.batches import Batches, BatchSteps
from client_sim.fleet.call import BLOCKED, ROOM, Call, Dialler, Wire
from client_sim.fleet.deciding import Behaviour
from client_sim.fleet.lines import Line
from client_sim.fleet.tally import Failure, Stopwatch, Tally
from client_sim.fleet.target import Target

PATIENCE: Final = 30.0
"""Seconds of real time after which an answer counts as lost."""


class Steps(BatchSteps, Protocol):
    """Callbacks for the result of a request."""

    def answer(self, call: Call, came: Came) -> None: ...  # noqa: D102
    def feed(self, call: Call, data: bytes) -> None: ...  # noqa: D102


class Exchanges:
    """Sends the requests of calls and passes their answers to `steps`.

    An answer that is byte for byte the last one that was verified at the same place of the tree is
    not hashed again. `batches` are polls over kept connections, if `behaviour` enables them.
    """

    def __init__(self, target: Target, behaviour: Behaviour, tally: Tally, steps: Steps) -> None:
        self.stopwatch = Stopwatch(tally)
        self._tally = tally
        self._steps = steps
        self._keep = behaviour.keep
        self._limit = behaviour.connections
        self._waiting: deque[tuple[Call, Line]] = deque()
        self._dialler = Dialler(target)
        self._answers = Answers()
        self._epoll = select.epoll()
        self._calls: dict[int, Call] = {}
        self._idle: dict[int, Wire] = {}
        self.batches = Batches(self._idle, self._answers, self.stopwatch, tally, steps)
        self._impatient_at = self.stopwatch.read() + PATIENCE

    @property
    def under_way(self) -> int:
        """How many calls wait for an answer or for a connection."""
        return len(self._calls) + len(self.batches) + len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether a poll that begins now has to wait for a connection."""
        open_now = len(self._calls) + len(self.batches) + len(self._waiting)
        return open_now - self.batches.is_gathering >= self._limit

    def watch(self, number: int) -> None:
        """Let `look` return when the file `number`, which is not a connection, is readable."""
        self._epoll.register(number, select.EPOLLIN)

    def look(self, seconds: float) -> None:
        """Process received data; waits for it for at most `seconds`.

        Bytes that equal the last answer at their place are handled inline.
        """
        self.batches.send()
        while self._waiting and len(self._calls) + len(self.batches) < self._limit:
            self.ask(*self._waiting.popleft())
        calls, follow, received = self._calls, self._steps.follow, 0
        note_latency = self.stopwatch.note
        events = self._epoll.poll(seconds)
        now = self.stopwatch.read()
        for number, _ in events:
            call = calls.get(number)
            if call is None:
                if not self.batches.take(number):
                    self._forget_idle(number)
                continue
            node, wire = call.node, call.wire
            if call.unsent or call.rest or node is None or wire is None:
                self._take_slowly(call, number)
                continue
            try:
                # `recv` allocates the requested size, and the last answer nearly always comes
                # again.
                data = wire.recv(node.room)
            except BLOCKED:
                continue
            except OSError as error:
                self._steps.end_early(call, Failure.BROKEN, str(error))
                continue
            # `node.last` is empty at first, and a closed connection yields empty data, too.
            if data and data == node.last:
                received += len(data)
                note_latency(now - call.sent_at)
                follow(call, node.last_edge)
            else:
                self._take(call, data)
        self._tally.received += received
        if now > self._impatient_at:
            self._lose_patience()

    def ask(self, call: Call, line: Line) -> None:
        """Send a request, on a new connection if the call has none; it is counted when sent."""
        call.line = line
        if call.wire is None and len(self._calls) + len(self.batches) >= self._limit:
            # Several polls that were sent in one packet may continue at the same time.
            self._waiting.append((call, line))
            return
        wire = call.wire or self._connect(call)
        if wire is None:
            self._steps.end_early(call, Failure.UNREACHABLE)
            return
        call.sent_at = self.stopwatch.read()
        try:
            # Smaller than any send buffer, so it is sent whole or not at all.
            wire.send(line.data)
        except BLOCKED:
            call.unsent = line
            self._epoll.modify(call.number, select.EPOLLOUT)
        except ConnectionRefusedError:
            self._steps.end_early(call, Failure.UNREACHABLE)
        except OSError as error:
            self._steps.end_early(call, Failure.BROKEN, f"not sent: {error}")
        else:
            line.note(call.phone)

    def close(self, call: Call, *, is_good: bool) -> None:
        """End the call's connection; a good one may be kept if `behaviour.keep` is set."""
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

    def _send_rest(self, call: Call, line: Line, number: int) -> None:
        assert call.wire is not None
        try:
            call.wire.send(line.data)
        except ssl.SSLWantReadError:
            self._epoll.modify(number, select.EPOLLIN)
        except BLOCKED:
            self._epoll.modify(number, select.EPOLLOUT)
        except OSError as error:
            self._steps.end_early(call, Failure.UNREACHABLE, str(error))
        else:
            call.unsent = None
            line.note(call.phone)
            self._epoll.modify(number, select.EPOLLIN)

    def _take_slowly(self, call: Call, number: int) -> None:
        """Continue a call that does more than wait for the first bytes of an answer."""
        assert call.wire is not None
        if call.unsent:
            self._send_rest(call, call.unsent, number)
            return
        try:
            data = call.wire.recv(ROOM)
        except BLOCKED:
            return
        except OSError as error:
            self._steps.end_early(call, Failure.BROKEN, str(error))
            return
        self._take(call, data)

    def _take(self, call: Call, data: bytes) -> None:
        self._tally.received += len(data)
        if not data:
            detail = f"behind {len(call.rest)} bytes of an answer" if call.rest else ""
            self._steps.end_early(call, Failure.BROKEN, detail)
        elif call.in_body:
            self._steps.feed(call, data)
        else:
            self._assemble(call, call.rest + data)

    def _assemble(self, call: Call, data: bytes) -> None:
        """Collect an answer, and pass it on when it is complete."""
        call.rest = b""
        try:
            if call.load is not None:
                found = self._answers.find_head(data)
                if found is not None:
                    head, begin = found
                    self._begin_block(call, head, data[begin:])
                    return
                answers = None
            else:
                answers = self._answers.cut(data, 1)
        except AnswerFault as fault:
            self._steps.end_early(call, Failure.HTTP, str(fault))
            return
        if answers is None:
            call.rest = data
            return
        self.stopwatch.note(self.stopwatch.read() - call.sent_at)
        self._steps.answer(call, answers[0])

    def _begin_block(self, call: Call, head: Head, begun: bytes) -> None:
        load = call.load
        assert load is not None
        found = (head.status, head.is_gzip, head.length, head.content_range)
        if found != (206, False, load.left, load.expected_range()):
            part = head.content_range.decode("latin-1")
            said = f"status {head.status}, {head.length} bytes {part}".rstrip()
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
        """End calls that have waited too long; runs rarely, as it iterates over all calls."""
        now = self.stopwatch.read()
        self._impatient_at = now + PATIENCE / 10
        oldest = now - PATIENCE
        for call in [each for each in self._calls.values() if each.sent_at < oldest]:
            got = f"{len(call.rest)} bytes of the answer came"
            self._steps.end_early(call, Failure.SLOW, got)
        self.batches.end_before(oldest)
