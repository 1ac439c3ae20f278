"""The phones of a fleet, drawn from a seed: models, regions, builds, networks and clocks."""

import hashlib
import math
from array import array
from dataclasses import dataclass
from typing import Final

from client_sim.world import BuildFacts

FLAKY: Final = 1
NEW: Final = 2

_WRONG_CLOCKS: Final = (600.0, 90_000.0)
"""Standard deviations of wrong clocks in seconds: of most of them, and of one in ten."""
_BLOCK: Final = 65_536  # bytes to generate in one call
_WORD: Final = 2.0**64


class Draws:
    """Random numbers from SHAKE-256; equal `seed` and `name` give equal numbers."""

    def __init__(self, seed: int, name: str) -> None:
        self._start = f"hening fleet v1\0{seed}\0{name}\0".encode()
        self._blocks = 0
        self._words = iter(array("Q"))

    def word(self) -> int:
        """Return an integer from 0 to 2^64 - 1."""
        word = next(self._words, None)
        if word is not None:
            return word
        data = hashlib.shake_256(self._start + str(self._blocks).encode()).digest(_BLOCK)
        self._blocks += 1
        self._words = iter(array("Q", data))
        return self.word()

    def below(self, limit: int) -> int:
        """Return an integer from 0 to `limit` - 1."""
        return self.word() % limit

    def happens(self, share: float) -> bool:
        """Return true with the probability `share`, 0 to 1."""
        return self.word() < share * _WORD

    def normal(self) -> float:
        """Return a number of the standard normal distribution."""
        radius = math.sqrt(-2.0 * math.log((self.word() + 1) / _WORD))
        return radius * math.cos(2.0 * math.pi * self.word() / _WORD)


@dataclass(frozen=True, slots=True)
class Group:
    """The phones of one model, region and channel, and the builds that they may run, by counter.

    `built_at` is the build date of the ROM in epoch seconds, `holder` the role that holds the
    group's pointer.
    """

    codename: str
    region: str
    channel: str
    builds: tuple[BuildFacts, ...]
    built_at: int
    holder: str = "latest"

    @property
    def name(self) -> str:
        """The path of the channel: `CODENAME/REGION/CHANNEL`."""
        return f"{self.codename}/{self.region}/{self.channel}"


@dataclass(frozen=True, slots=True)
class Habits:
    """Shares of a fleet, each 0 to 1, by build, network and clock.

    `current` phones run the newest build of their group from the start. Of the others, `older` run
    the build two before it, and the rest the one before it. `fresh` phones have never polled.
    `flaky` phones have a bad network: a fifth of their polls find no network, a tenth of their
    connections break. The clocks of `skewed` phones are wrong by minutes, one in ten of them by
    about a day.
    """

    current: float = 0.0
    older: float = 0.1
    fresh: float = 0.02
    flaky: float = 0.1
    skewed: float = 0.05


class Phones:
    """The state of all phones, in arrays of a few bytes for each phone.

    `group` and `build` are indices, `skew` is in seconds, `stamp` the last accepted version of the
    timestamp, `state` its trust state, `role` the version of its codename role or 0. `place` is its
    bucket for the release whose counter is `placed_for`.
    """

    def __init__(self, count: int) -> None:
        self.group = array("H", bytes(2 * count))
        self.build = array("B", bytes(count))
        self.traits = array("B", bytes(count))
        self.skew = array("i", bytes(4 * count))
        # Versions have up to 53 bits.
        self.stamp = array("Q", bytes(8 * count))
        self.state = array("H", bytes(2 * count))
        self.role = array("Q", bytes(8 * count))
        self.place = array("H", bytes(2 * count))
        self.placed_for = array("Q", bytes(8 * count))

    def __len__(self) -> int:
        return len(self.group)


def draw_phones(count: int, groups: tuple[Group, ...], habits: Habits, draws: Draws) -> Phones:
    """Draw `count` phones of equally large groups, whose last build is the newest."""
    phones = Phones(count)
    newest = [len(group.builds) - 1 for group in groups]
    for phone in range(count):
        index = min(int(draws.word() / _WORD * len(groups)), len(groups) - 1)
        phones.group[phone] = index
        lag = 0 if draws.happens(habits.current) else 2 if draws.happens(habits.older) else 1
        phones.build[phone] = max(0, newest[index] - lag)
        phones.traits[phone] = FLAKY * draws.happens(habits.flaky)
        phones.traits[phone] |= NEW * draws.happens(habits.fresh)
        if draws.happens(habits.skewed):
            deviation = _WRONG_CLOCKS[draws.happens(0.1)]
            phones.skew[phone] = round(deviation * draws.normal())
    return phones
