"""Runs of a client: what was seen of each, how much that is, and what each guard says."""

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.guards import CANARIES, GUARDS, judge_canaries
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.programme.tally import Extent, measure
from client_sim.lab.trace.observation import Observation
from client_sim.world import Factory

_KEPT: Final = 4


class Run:
    """A run that was made; many cases may compare with it, and each guard judges it once."""

    def __init__(self, factory: Factory, setting: Setting) -> None:
        self.setting = setting
        self.seen: Observation = observe(factory, setting)
        self._counted: set[str] = set()
        self._said: dict[tuple[str, int], tuple[Finding, ...]] = {}

    @cached_property
    def extent(self) -> Extent:
        """How many polls and bytes the run has."""
        return measure(self.seen)

    def is_new_to(self, oracle: str) -> bool:
        """Say whether an oracle counts the run for the first time: many cases may share it."""
        is_new = oracle not in self._counted
        self._counted.add(oracle)
        return is_new

    def ask_guards(
        self, layers: int | None, unasked: AbstractSet[str]
    ) -> Iterator[tuple[str, tuple[Finding, ...]]]:
        """Let all guards but some judge the run; `layers` of the canary search, None without."""
        for guard in GUARDS:
            if guard not in unasked:
                yield guard, self._ask(guard, 0)
        if layers is not None and CANARIES not in unasked:
            yield CANARIES, self._ask(CANARIES, layers)

    def _ask(self, guard: str, layers: int) -> tuple[Finding, ...]:
        said = self._said.get((guard, layers))
        if said is None:
            said = self._said[guard, layers] = (
                judge_canaries(self.seen, self.setting, layers)
                if guard == CANARIES
                else GUARDS[guard](self.seen, self.setting.public)
            )
        return said


class Runs:
    """Makes runs of one client, and remembers the last few with which others are compared."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._kept: deque[Run] = deque(maxlen=_KEPT)

    def usual(self, setting: Setting) -> Run:
        """Return the run of a setting; of one setting, which is one object, the same run."""
        for run in self._kept:
            if run.setting is setting:
                return run
        run = self.another(setting)
        self._kept.append(run)
        return run

    def another(self, setting: Setting) -> Run:
        """Run the client anew."""
        return Run(self._factory, setting)
