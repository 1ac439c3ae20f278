"""The fast path: a connection whose requests are answered from bytes in memory, and from files.

The request language is finite, so the answer to a phone's request is found by its bytes. The plane
plans the answers to other clients' heads and to requests for packages. All other requests fall back
to aiohttp, which keeps the connection until its end.
"""

import asyncio
import enum
import functools
from collections.abc import Callable
from typing import cast

from server.http.connections import Connections
from server.http.downloads import FileAnswer, is_tls
from server.http.heads import END, UNKNOWN, PlannedFile, may_become_head
from server.http.sending import unacknowledged
from server.http.turns import ANSWER, PIECE, SLOW_ANSWER

CLOSE = b"\r\nConnection: close"
REST = 16_384  # unanswered bytes; if there are more, they count towards the total limit
COPIED = 16_384  # below this number of bytes, one write of a copy is cheaper than two parts


class State(enum.Enum):
    """The state of a connection; its value is what the connection waits for.

    It reads only in READY, READING and ENDING.
    """

    OPENING = "its transport: a TLS handshake comes first"
    READY = "a request; no bytes are kept, and the server is not draining"
    READING = "the rest of a head, or the last request before the server ends"
    QUEUED = "a turn to answer the kept bytes"
    STALLED = "the client, which does not take the written bytes"
    SENDING = "a file that is being sent"
    FALLING_BACK = "aiohttp, which answers all that follows"
    ENDING = "the client, which may take the last answer; further input is discarded"

    __hash__ = object.__hash__  # faster than Enum's, which hashes the name in Python


READY, READING = State.READY, State.READING  # names without attribute look-ups, for speed
_BUSY = frozenset({State.QUEUED, State.STALLED, State.SENDING, State.FALLING_BACK, State.ENDING})
FOLLOWING = {
    State.OPENING: frozenset({READY, READING}),
    READY: _BUSY | {READING},
    READING: _BUSY | {READY, READING},
    State.QUEUED: frozenset({READING, State.STALLED}),
    State.STALLED: frozenset({READY, READING, State.QUEUED, State.ENDING}),
    State.SENDING: (_BUSY - {State.SENDING}) | {READY, READING},
    State.FALLING_BACK: frozenset[State](),
    State.ENDING: frozenset[State](),
}


class FastPath(asyncio.Protocol):
    """One connection on the fast path; its attributes are those of `Connection`."""

    __slots__ = (
        "_file",
        "_registry",
        "_rest",
        "_start",
        "_state",
        "_transport",
        "buffered",
        "deadline",
        "last_unacknowledged",
        "least",
        "limit",
        "stalls",
    )

    def __init__(self, registry: Connections) -> None:
        self._registry = registry
        self._rest = b""  # received bytes; those from `_start` on are unanswered
        self._start = 0
        self._state = State.OPENING
        self._file: FileAnswer | None = None  # while SENDING
        self.buffered = self.last_unacknowledged = 0
        self.least = 1
        self.deadline, self.limit = registry.until_head, "head"
        self.stalls = 0.0
        registry.register(self)  # before a TLS handshake, which counts as well

    def _set_state(self, state: State) -> None:
        """Change the state; raises RuntimeError if FOLLOWING does not list the change."""
        if state not in FOLLOWING[self._state]:
            raise RuntimeError(f"a connection cannot become {state.name} from {self._state.name}")
        self._state = state

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a head, or close if there are too many connections."""
        self._transport = cast("asyncio.Transport", transport)
        self._set_state(READING if self._registry.is_draining else READY)
        self._registry.register(self)  # again: its deadline may have passed during the handshake
        if self._registry.is_full():
            transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002 - asyncio's
        """Unregister the connection, and end its download."""
        if self._file is not None:
            self._file.cut()  # it has a second descriptor
        self._registry.set_buffered(self, 0)
        self._registry.unregister(self)

    def data_received(self, data: bytes) -> None:
        """Answer a whole request of a phone immediately; parse all other bytes."""
        registry = self._registry
        hit = registry.plane.served.exact.get(data) or registry.plane.recall(data)
        if hit is None or self._state is not READY:
            self._take(self._rest[self._start :] + data if self._rest else data, 0)
            return
        status, content = hit
        registry.answers[status] += 1
        self.deadline, self.limit = registry.until_idle, "idle"
        self._write(registry.starts[status], content)

    def _write(self, start: bytes, data: bytes) -> None:
        if len(data) < COPIED:
            self._transport.write(start + data)
        else:  # large documents are one object for all clients, however slowly they read
            self._transport.writelines((start, data))

    def _take(self, data: bytes, start: int) -> None:
        """Answer the requests in `data` from `start` on, in order, while the client reads.

        A single request is always answered, unless its answer is slow. Several requests are
        answered while this turn has room; the others wait for another turn.
        """
        registry, turns = self._registry, self._registry.turns
        work, room = -ANSWER, min(turns.budget, PIECE)  # the first answer is free
        slow: tuple[PlannedFile | None, int] | None = None
        while self._state is READY or self._state is READING:
            end = data.find(END, start) + len(END)
            if end < len(END):
                break
            if work >= room and (work >= 0 or data.find(END, end) >= 0):
                self._line_up()
                break
            planned = registry.plane.plan(data[start:end])
            if planned is None or isinstance(planned, PlannedFile):
                slow = planned, end - start
                break
            start = end
            status, content, is_last, remark = planned
            work += ANSWER + len(content)
            registry.answers[status] += 1
            if remark is not None:
                registry.count(remark)
            self.deadline, self.limit = registry.until_idle, "idle"
            if is_last or registry.is_draining:
                fields, empty_line, body = content.partition(END)
                self._write(registry.starts[status] + fields + CLOSE, empty_line + body)
                self._end()
            else:
                self._write(registry.starts[status], content)
        if work > ANSWER:  # one small answer is not worth counting
            turns.spend(work)
        if slow is None:
            if start < len(data) or self._state is not READY:  # else nothing is or was kept
                self._keep(data, start)
        else:
            self._set_rest(data, start)
            self._answer_slowly(*slow)

    def _answer_slowly(self, planned: PlannedFile | None, length: int) -> None:
        """Answer the next request, of this length, with a file, or by aiohttp if it is None."""
        turns = self._registry.turns
        if turns.is_over:
            self._line_up()
            return
        turns.spend(SLOW_ANSWER)
        if planned is None:
            self._fall_back()
        else:
            self._download(planned, length)

    def _keep(self, data: bytes, start: int) -> None:
        """Keep the bytes that could not be answered yet."""
        if self._state is State.ENDING:
            self._set_rest(b"", 0)
        elif self._state is READY or self._state is READING:
            data = data[start:]
            if data and not may_become_head(data):
                self._set_rest(data, 0)
                self._answer_slowly(None, 0)
                return
            if data and (not self._rest or self.limit == "idle"):
                self.deadline, self.limit = self._registry.until_head, "head"
            self._set_rest(data, 0)
            self._set_state(READING if data or self._registry.is_draining else READY)
        else:
            self._set_rest(data, start)

    def _download(self, planned: PlannedFile, length: int) -> None:
        """Begin to send the file that a head of this length requests.

        Without TLS, fall back to aiohttp if the kernel has not taken all earlier answers.
        """
        if not is_tls(self._transport) and self._transport.get_write_buffer_size() > 0:
            self._fall_back()
            return
        registry, is_last = self._registry, planned.is_last or self._registry.is_draining
        fields, empty_line, _ = planned.fields.partition(END)
        head = registry.starts[planned.status] + fields + (CLOSE if is_last else b"") + empty_line
        self._stop_reading(State.SENDING)
        self.deadline, self.limit = registry.until_stall, "stall"
        limits = registry.plane.limits
        self.last_unacknowledged = planned.end - planned.first
        self.least = max(1, int(limits.least_rate * limits.stall_seconds))
        sent = functools.partial(self._sent, planned, length)
        self._file = FileAnswer(registry.plane.downloads, self._transport, planned, head, sent)

    def _sent(self, planned: PlannedFile, length: int, is_sent: bool) -> None:
        """Continue after a file, or fall back to aiohttp."""
        registry, file = self._registry, self._file
        self._file = None
        if not is_sent:
            self._fall_back()
            return
        if planned.remark == UNKNOWN:
            registry.plane.counts.unknown_headers += 1
        self.least = 1
        self._set_rest(self._rest, self._start + length)
        if file is not None and file.is_paused:
            self._stall()
        if planned.is_last or registry.is_draining:
            self._end()
        elif self._state is State.SENDING:
            self._go_on()

    def _go_on(self) -> None:
        """Resume reading, or wait for a turn to answer the bytes that came meanwhile."""
        self.deadline, self.limit = self._registry.until_idle, "idle"
        if self._rest:
            self._line_up()
        else:
            self._set_state(READING if self._registry.is_draining else READY)
            self._transport.resume_reading()

    def _take_turn(self) -> None:
        """Answer requests while this turn has room, and resume reading when none is left."""
        if self._state is not State.QUEUED or self._transport.is_closing():
            return
        self._set_state(READING)
        self._take(self._rest, self._start)
        if self._state is READY or self._state is READING:
            self._transport.resume_reading()

    def _line_up(self) -> None:
        """Wait for a turn."""
        self._stop_reading(State.QUEUED)
        self._registry.turns.line_up(self._take_turn)

    def _stop_reading(self, state: State) -> None:
        self._set_state(state)
        self._transport.pause_reading()

    def _set_rest(self, rest: bytes, start: int) -> None:
        if start == len(rest):
            rest, start = b"", 0
        self._rest, self._start = rest, start
        buffered = len(rest) if len(rest) > REST else 0
        if buffered != self.buffered:
            self._registry.set_buffered(self, buffered)

    def _fall_back(self) -> None:
        """Request the fallback to aiohttp, which may come later; until then nothing is read."""
        self._stop_reading(State.FALLING_BACK)
        self.deadline, self.limit = self._registry.until_head, "head"
        self._registry.fall_back(self, self._rest[self._start :])

    def hand_to(self, take: Callable[[asyncio.Transport, bytes], None]) -> bool:
        """Pass the connection and its unanswered bytes to `take`; return False if it is closed."""
        if self._transport.is_closing():
            return False
        self._registry.set_buffered(self, 0)
        self._registry.unregister(self)
        self._transport.resume_reading()
        take(self._transport, self._rest[self._start :])
        return True

    def pause_writing(self) -> None:
        """Stop answering and reading until the client has taken the written bytes."""
        if self._file is not None:  # a download has its own deadline
            self._file.pause()
        elif self._state is State.ENDING or self._state is State.FALLING_BACK:
            self._await_client()
        else:
            self._stall()

    def _stall(self) -> None:
        self._stop_reading(State.STALLED)
        self._await_client()

    def _await_client(self) -> None:
        self.last_unacknowledged = self.unacknowledged()
        self.deadline, self.limit = self._registry.until_stall, "stall"

    def resume_writing(self) -> None:
        """Answer the bytes that came meanwhile; after the last answer, wait for the client."""
        if self._file is not None:
            self._file.resume()
        elif self._state is State.ENDING:
            self._registry.linger(self)
        elif self._state is State.STALLED and not self._transport.is_closing():
            self._go_on()
            if self._registry.is_draining:
                self.drain()

    def _end(self) -> None:
        """Close after the client has taken all: closing immediately could discard the answer."""
        is_stalled = self._state is State.STALLED
        self._set_state(State.ENDING)
        if not is_stalled:  # else it waits for the client, as during any answer
            self._registry.linger(self)
        if self._transport.can_write_eof():
            self._transport.resume_reading()
            self._transport.write_eof()
            # A limit of 0 keeps the transport paused until the client has taken all.
            if self._transport.get_write_buffer_size() > COPIED:
                self._transport.set_write_buffer_limits(high=0)
        else:
            self._transport.close()

    def drain(self) -> None:
        """Make the next answer the last; an idle connection gets a short grace period."""
        if self._state is State.OPENING:  # a failed handshake has no callback
            self._registry.unregister(self)
            return
        if self._state is READY:
            self._set_state(READING)
        if self.limit == "idle":
            self._registry.linger(self)

    def unacknowledged(self) -> int:
        """Return the number of written bytes that the client has not taken yet."""
        if self._file is not None:
            return self._file.unacknowledged()
        return 0 if self._state is State.OPENING else unacknowledged(self._transport)

    def cut(self) -> None:
        """End the connection immediately; bytes that are not sent yet are discarded."""
        if self._file is not None:
            self._file.cut()
        elif self._state is State.OPENING:
            self._registry.unregister(self)  # its handshake never ended
        else:
            self._transport.abort()
