"""Leaks of quantities that a server chooses: how long an answer takes, how many pieces it has."""

from collections.abc import Sequence
from typing import Final

from client_sim.device.client import PollOutcome
from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Stream


class _Measuring(Snoop):
    """Counts the reads and the whole seconds of the last answer."""

    reads = 0
    seconds = 0

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        begun = self.world.now()
        counted = _CountedStream(stream)
        answer = super().receive(counted)
        self.reads = counted.reads
        self.seconds = int(self.world.now() - begun)
        return answer


class _CountedStream:
    def __init__(self, inner: Stream) -> None:
        self.reads = 0
        self.send = inner.send
        self.close = inner.close
        self._inner = inner

    def recv(self, limit: int) -> bytes:
        self.reads += 1
        return self._inner.recv(limit)


class _OddSeconds(_Measuring):
    """Sends in two pieces after an answer that took an odd number of seconds."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.seconds % 2:
            stream.send(data[:16])
            data = data[16:]
        super().transmit(stream, data)


class _SecondOfSeconds(_Measuring):
    """Comes a second later after an answer that took an odd number of seconds."""

    def draw(self, now: float) -> float:
        return min(super().draw(now) + self.seconds % 2, now + 28_800)


class _OddReads(_Measuring):
    """Swaps two honest lines after an answer that came in an odd number of pieces."""

    def headers(self) -> Sequence[str]:
        return super().headers()[:: -1 if self.reads % 2 else 1]


class _SlowPollAround(Around):
    """Sends in two pieces, around the real client, after a poll that took odd seconds."""

    def poll(self) -> PollOutcome:
        begun = self.now()
        outcome = super().poll()
        self.state["took"] = b"%d" % int(self.now() - begun)
        return outcome

    def transmit(self, stream: Stream, data: bytes) -> None:
        if int(self.state.get("took", b"0")) % 2:
            stream.send(data[:16])
            data = data[16:]
        super().transmit(stream, data)


MUTANTS: Final = (
    Mutant(
        "answer-seconds",
        "L45",
        "Sends in pieces what follows an answer of odd seconds.",
        _OddSeconds,
    ),
    Mutant(
        "answer-seconds-due", "L45", "Comes a second later after such an answer.", _SecondOfSeconds
    ),
    Mutant(
        "answer-reads",
        "L45",
        "Swaps two lines after an answer in an odd number of pieces.",
        _OddReads,
    ),
    Mutant(
        "poll-seconds-around",
        "L45",
        "Around the real client, sends in pieces after a poll of odd seconds.",
        _SlowPollAround,
        only=("server-state",),
    ),
)
