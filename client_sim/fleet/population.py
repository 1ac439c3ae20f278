"""The phones of a fleet: models, regions, builds, networks and clocks."""

from array import array
from dataclasses import dataclass
from typing import Final

from client_sim.fleet.draws import Draws
from client_sim.world import BuildFacts

FLAKY: Final = 1
NEW: Final = 2

_WRONG_CLOCKS: Final = (600.0, 90_000.0)
"""Deviations in seconds of wrong clocks: of most of them, and of one in ten."""


@dataclass(frozen=True, slots=True)
class Group:
    """Phones of one model, region and channel, and the builds that they may run, by counter.

    `weight` is its share of the fleet in relation to the other groups', `built_at` the build date
    of the ROM, epoch seconds, `holder` the role that holds the group's pointer.
    """

    codename: str
    region: str
    channel: str
    builds: tuple[BuildFacts, ...]
    weight: float
    built_at: int
    holder: str = "latest"

    @property
    def name(self) -> str:
        """The channel for people."""
        return f"{self.codename}/{self.region}/{self.channel}"


@dataclass(frozen=True, slots=True)
class Habits:
    """Shares of a fleet, each 0 to 1, by build, network and clock.

    `current` run the newest of a group's builds from the start, `older` the build two before it,
    and all others the one before it. `fresh` have never polled. `flaky` have a bad network: a fifth
    of their polls find none, a tenth of their connections break. The clocks of `skewed` are wrong
    by minutes, of one in ten of them by about a day.
    """

    current: float = 0.0
    older: float = 0.1
    fresh: float = 0.02
    flaky: float = 0.1
    skewed: float = 0.05


class Phones:
    """The state of each phone, in arrays: some bytes for each phone.

    `group` and `build` are indices, `skew` is in seconds, `stamp` the last accepted version of the
    timestamp, `state` its trust state, `role` the version of its codename role or 0. `place` is its
    bucket for the release whose counter is `placed_for`.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.group = array("H", bytes(2 * count))
        self.build = array("B", bytes(count))
        self.traits = array("B", bytes(count))
        self.skew = array("i", bytes(4 * count))
        # The phone accepts versions of up to 53 bits.
        self.stamp = array("Q", bytes(8 * count))
        self.state = array("H", bytes(2 * count))
        self.role = array("Q", bytes(8 * count))
        self.place = array("H", bytes(2 * count))
        self.placed_for = array("Q", bytes(8 * count))

    def __len__(self) -> int:
        return self.count


def draw_phones(count: int, groups: tuple[Group, ...], habits: Habits, draws: Draws) -> Phones:
    """Draw `count` phones; the last of a group's builds is the newest."""
    phones = Phones(count)
    weights = tuple(group.weight for group in groups)
    newest = [len(group.builds) - 1 for group in groups]
    for phone in range(count):
        index = draws.pick(weights)
        phones.group[phone] = index
        behind = 0 if draws.happens(habits.current) else 2 if draws.happens(habits.older) else 1
        phones.build[phone] = max(0, newest[index] - behind)
        phones.traits[phone] = FLAKY * draws.happens(habits.flaky)
        phones.traits[phone] |= NEW * draws.happens(habits.fresh)
        if draws.happens(habits.skewed):
            deviation = _WRONG_CLOCKS[draws.happens(0.1)]
            phones.skew[phone] = round(deviation * draws.normal())
    return phones
