"""Runs the polls of many phones when they are due, up to the limit of connections.

A phone is a number. Only an active phone has an object, its `Call`; a `Session` performs its steps.
"""

import time
from typing import Final

from client_sim.fleet.call import Call
from client_sim.fleet.deciding import Behaviour, Decider
from client_sim.fleet.draws import Draws
from client_sim.fleet.lines import Lines
from client_sim.fleet.population import FLAKY, Group, Phones
from client_sim.fleet.session import Session
from client_sim.fleet.tally import Failure, Stretches, Tally
from client_sim.fleet.target import Target
from client_sim.fleet.timer_wheel import TICKS, Appointments

_NO_NETWORK: Final = 0.2  # share of the polls of a flaky phone
_BREAKS: Final = 0.1  # share of its connections


class Driver:
    """The phones of one worker against one server."""

    def __init__(
        self,
        target: Target,
        groups: tuple[Group, ...],
        phones: Phones,
        behaviour: Behaviour,
        draws: Draws,
        decider: Decider,
    ) -> None:
        self.tally = Tally()
        self.lines = Lines(len(phones))
        self._stretches = Stretches(self.tally, self.lines, behaviour.length)
        self._appointments = Appointments(len(phones), draws)
        self._session = Session(
            target=target,
            groups=groups,
            phones=phones,
            behaviour=behaviour,
            decider=decider,
            tally=self.tally,
            lines=self.lines,
            stretches=self._stretches,
            appointments=self._appointments,
        )
        self.learner = self._session.learner
        self.exchanges = self._session.exchanges
        self.put = self._appointments.put
        self.place_phones = self._appointments.place_phones
        self._groups = groups
        self._phones = phones
        self._behaviour = behaviour
        self._draws = draws
        self._may_begin = 0.0
        self._last_built = max(group.built_at for group in groups)

    def advance(self, tick: int) -> None:
        """Begin the polls that are due at `tick`; waits for free connections."""
        now = self._session.time = self._behaviour.begin + tick / TICKS
        self._stretches.move(tick)
        exchanges, session = self.exchanges, self._session
        traits, skew, spare = self._phones.traits, self._phones.skew, session.spare
        pace = self._behaviour.polls_per_second
        for phone in self._appointments.take(tick):
            while exchanges.is_busy:
                exchanges.look(1.0)
            if pace:
                self._hold_back(1 / pace)
            call = spare.pop() if spare else Call(session)
            call.phone, call.begun = phone, tick
            # The phone's own clock, which is never before the build of its ROM. It stands still
            # until the phone sleeps again: a poll takes no simulated time, however long the server
            # needs.
            call.now = now + skew[phone]
            if call.now <= self._last_built:
                group = self._groups[self._phones.group[phone]]
                call.now = max(call.now, group.built_at)
            if traits[phone] & FLAKY:
                if self._draws.happens(_NO_NETWORK):
                    session.end_early(call, Failure.NO_NETWORK)
                    continue
                call.breaks = self._draws.happens(_BREAKS)
            session.poll(call)

    def snapshot(self) -> Tally:
        """Return the sums so far."""
        self._stretches.count()
        self._session.stopwatch.count()
        self.tally.lessons = self.learner.lessons
        self.tally.busy_seconds = self._session.stopwatch.lost
        return self.tally

    def _hold_back(self, apart: float) -> None:
        """Wait until `apart` seconds of real time after the start of the last poll."""
        while (rest := self._may_begin - time.perf_counter()) > 0:
            self.exchanges.look(rest)
        self._may_begin = time.perf_counter() + apart
