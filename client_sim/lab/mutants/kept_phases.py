"""Intervals that are drawn, and yet distinguish one phone from another (L38).

Nothing here depends on the owner: each phone shows a habit of its own.
"""

from hashlib import sha256
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import World

_SHORTEST: Final = 14_400
_SPREAD: Final = 14_401
_HOUR: Final = 3_600
_WEEK: Final = 7 * 86_400


def _offset(data: bytes) -> int:
    return int.from_bytes(data, "big") % _SPREAD


class _Kept(Snoop):
    def next_poll(self, now: float) -> float:
        return now + _SHORTEST + _offset(self.spy.keep("phase", 8))


class _PerBoot(Snoop):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.phase = _offset(world.entropy(8))

    def next_poll(self, now: float) -> float:
        return now + _SHORTEST + self.phase


class _PerWeek(Snoop):
    def next_poll(self, now: float) -> float:
        week = b"%d" % (int(now) // _WEEK)
        if self.world.state.get("week") != week:
            self.world.state["week"] = week
            self.world.state.pop("phase", None)
        return now + _SHORTEST + _offset(self.spy.keep("phase", 8))


class _Ground(Snoop):
    def next_poll(self, now: float) -> float:
        known = self.spy.keep("id", 1)[0]
        while (drawn := _offset(self.world.entropy(8))) % 256 != known:
            pass
        return now + _SHORTEST + drawn


class _Mixed(Snoop):
    def next_poll(self, now: float) -> float:
        kept = int.from_bytes(self.spy.keep("phase", 2), "big") % 14_336
        return now + _SHORTEST + (kept ^ self.world.entropy(1)[0])


class _SecondOfHour(Snoop):
    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        return float(due - due % _HOUR + _offset(self.spy.keep("second", 8)) % _HOUR)


class _Chain(Snoop):
    def next_poll(self, now: float) -> float:
        link = sha256(self.spy.keep("link", 32)).digest()
        self.world.state["link"] = link
        return now + _SHORTEST + _offset(link[:8])


class _TakingTurns(Snoop):
    def next_poll(self, now: float) -> float:
        name = f"phase {self.spy.count('turns') % 2}"
        return now + _SHORTEST + _offset(self.spy.keep(name, 8))


class _Nearest(Snoop):
    def next_poll(self, now: float) -> float:
        kept = _offset(self.spy.keep("phase", 8))
        draws = [_offset(self.world.entropy(8)) for _ in range(4)]
        return now + _SHORTEST + min(draws, key=lambda drawn: abs(drawn - kept))


class _Stretched(Snoop):
    def next_poll(self, now: float) -> float:
        drawn = _offset(self.world.entropy(8))
        # A quartz that is off by parts in a thousand, as no quartz is.
        factor = 1 - self.spy.keep("quartz", 1)[0] / 1024
        return now + _SHORTEST + drawn * factor


class _Replayed(Around):
    def entropy(self, n: int) -> bytes:
        return self.spy.keep(f"bytes {n}", n)


MUTANTS: Final = (
    Mutant("phase-kept", "L38", "Draws its interval once, when it is new.", _Kept),
    Mutant("phase-boot", "L38", "Draws its interval at each start, and keeps to it.", _PerBoot),
    Mutant("phase-week", "L38", "Draws its interval once a week.", _PerWeek),
    Mutant(
        "phase-ground",
        "L38",
        "Draws, as it should, until the interval's low byte is the one that it is known by.",
        _Ground,
    ),
    Mutant(
        "phase-mixed",
        "L38",
        "Mixes one fresh byte into a kept interval: always within minutes of the same length.",
        _Mixed,
    ),
    Mutant(
        "phase-second",
        "L38",
        "Draws the hour afresh and the second of the hour once.",
        _SecondOfHour,
    ),
    Mutant(
        "phase-chain",
        "L38",
        "Takes every interval from a chain of digests that began when it was new.",
        _Chain,
    ),
    Mutant("phase-turns", "L38", "Has drawn two intervals, which take turns.", _TakingTurns),
    Mutant(
        "phase-nearest",
        "L38",
        "Draws four intervals each time and takes the nearest to the one it was born with.",
        _Nearest,
    ),
    Mutant("phase-quartz", "L38", "Shortens its intervals by a factor of its own.", _Stretched),
    Mutant(
        "phase-replayed-around",
        "L38",
        "The real client's source of randomness gives the same bytes for ever.",
        _Replayed,
    ),
)
