"""Polls of several phones that leave in one packet, over one kept connection.

A batch has the polls that begin before the next check of the sockets, each with both its requests.
Phones do not do so; it shows how much load one core can put on a server.
"""

from typing import Final, Protocol

from client_sim.fleet.answer_tree import Edge
from client_sim.fleet.answers import AnswerFault, Answers, Came
from client_sim.fleet.call import BLOCKED, Call, Wire
from client_sim.fleet.pair import Pair
from client_sim.fleet.tally import Failure, Stopwatch, Tally

SIZE: Final = 8
"""Most polls in a packet."""


class BatchSteps(Protocol):
    """Callbacks for the result of a poll."""

    def follow(self, call: Call, edge: Edge) -> None: ...  # noqa: D102
    def answer_pair(self, call: Call, pair: Pair, first: Came, second: Came) -> None: ...  # noqa: D102
    def end_early(self, call: Call, why: Failure, detail: str = "") -> None: ...  # noqa: D102


class Batch:
    """`calls` that send the requests of `pair`, one poll after the other, over `wire`.

    `number` is the connection's descriptor, `sent_at` when all were sent, `rest` the received bytes
    of incomplete answers.
    """

    __slots__ = ("calls", "number", "pair", "rest", "sent_at", "wire")

    def __init__(self, pair: Pair, number: int, wire: Wire) -> None:
        self.pair, self.number, self.wire = pair, number, wire
        self.calls: list[Call] = []
        self.rest = b""
        self.sent_at = 0.0


class Batches:
    """The running batches over the connections of `idle`, by their descriptors."""

    def __init__(
        self,
        idle: dict[int, Wire],
        answers: Answers,
        stopwatch: Stopwatch,
        tally: Tally,
        steps: BatchSteps,
    ) -> None:
        self._idle = idle
        self._answers = answers
        self._stopwatch = stopwatch
        self._tally = tally
        self._steps = steps
        self._gathered: Batch | None = None
        self._asked: dict[int, Batch] = {}

    def __len__(self) -> int:
        return len(self._asked) + (self._gathered is not None)

    @property
    def is_gathering(self) -> bool:
        """Whether there is a batch that is not sent yet because it is not full."""
        return self._gathered is not None

    def join(self, call: Call, pair: Pair) -> bool:
        """Add both requests of a poll to a batch, which is sent by `send` at the latest.

        Returns whether there is a connection for them.
        """
        batch = self._gathered
        if batch is not None and batch.pair is not pair:
            self.send()
            batch = None
        if batch is None:
            if not self._idle:
                return False
            number, wire = self._idle.popitem()
            batch = self._gathered = Batch(pair, number, wire)
        call.line = pair.line
        batch.calls.append(call)
        if len(batch.calls) == SIZE:
            self.send()
        return True

    def send(self) -> None:
        """Send the gathered batches; this counts each request."""
        batch, self._gathered = self._gathered, None
        if batch is None:
            return
        self._asked[batch.number] = batch
        batch.sent_at = self._stopwatch.read()
        line = batch.pair.line
        try:
            # A kept connection has no other unsent data, so this is sent whole.
            batch.wire.send(line.data * len(batch.calls))
        except OSError as error:
            self._end(batch, Failure.BROKEN, f"not sent: {error}")
            return
        for call in batch.calls:
            line.note(call.phone)

    def take(self, number: int) -> bool:
        """Receive from a connection; returns False if no batch waits for it."""
        batch = self._asked.get(number)
        if batch is None:
            return False
        try:
            data = batch.wire.recv(batch.pair.room * len(batch.calls))
        except BLOCKED:
            return True
        except OSError as error:
            self._end(batch, Failure.BROKEN, str(error))
            return True
        self._tally.received += len(data)
        if data:
            self._compare(batch, batch.rest + data)
        else:
            detail = f"behind {len(batch.rest)} bytes of answers" if batch.rest else ""
            self._end(batch, Failure.BROKEN, detail)
        return True

    def end_before(self, moment: float) -> None:
        """End the batches that were sent before `moment` of the stopwatch."""
        for batch in [each for each in self._asked.values() if each.sent_at < moment]:
            self._end(batch, Failure.SLOW, f"{len(batch.rest)} bytes of the answers came")

    def _compare(self, batch: Batch, data: bytes) -> None:
        """Continue after answers that equal the last verified ones byte by byte."""
        if data == batch.pair.last * len(batch.calls):
            self._finish(batch)
            edge, follow = batch.pair.last_edge, self._steps.follow
            for call in batch.calls:
                follow(call, edge)
        else:
            self._cut(batch, data)

    def _cut(self, batch: Batch, data: bytes) -> None:
        """Pass on answers that differ from the last ones, as soon as they are complete."""
        try:
            answers = self._answers.cut(data, 2 * len(batch.calls))
        except AnswerFault as fault:
            self._end(batch, Failure.HTTP, str(fault))
            return
        if answers is None:
            batch.rest = data
            return
        self._finish(batch)
        for call, first, second in zip(batch.calls, answers[::2], answers[1::2], strict=True):
            self._steps.answer_pair(call, batch.pair, first, second)

    def _finish(self, batch: Batch) -> None:
        """Free the connection for others; the latency is that of every poll in the batch."""
        del self._asked[batch.number]
        self._idle[batch.number] = batch.wire
        self._stopwatch.note(self._stopwatch.read() - batch.sent_at, len(batch.calls))

    def _end(self, batch: Batch, why: Failure, detail: str) -> None:
        del self._asked[batch.number]
        batch.wire.close()
        for call in batch.calls:
            self._steps.end_early(call, why, detail)
