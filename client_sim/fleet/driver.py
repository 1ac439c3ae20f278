"""Polls, downloads and installs of many phones at once, one step after the other.

A phone is a number. Only a phone that is asking has an object, its `Call`. What it asks next stands
in the tree of its trust state, and every answer has to have a hash that the real code has verified.
"""

import hashlib
import time
from dataclasses import dataclass
from typing import Final

from client_sim.device.client import SHORTEST, SPREAD
from client_sim.fleet.answer_tree import Edge, End, Node, Place
from client_sim.fleet.call import Call, Load, Purpose
from client_sim.fleet.deciding import Decider
from client_sim.fleet.draws import Draws
from client_sim.fleet.exchange import Exchanges
from client_sim.fleet.heads import Head
from client_sim.fleet.lines import Lines
from client_sim.fleet.population import FLAKY, Group, Phones
from client_sim.fleet.school import School
from client_sim.fleet.tally import BINS, Failure, Tally
from client_sim.fleet.target import Target
from client_sim.fleet.trust_state import TrustState
from client_sim.fleet.wheel import TICKS, Wheel
from client_sim.world import RunningBuild

_NO_NETWORK: Final = 0.2  # share of the polls of a flaky phone
_BREAKS: Final = 0.1  # share of its connections


@dataclass(frozen=True, slots=True)
class Manners:
    """How the phones of a run ask.

    `host` as `Host` has it, `begin` of the simulated time in epoch seconds and its `length`,
    `connections` open at once at most. `keep` keeps connections from poll to poll, which phones do
    not. Of the phones that install every `download_every`th fetches its package. At most
    `polls_per_second` are begun, where that is not 0.
    """

    host: str
    begin: float
    length: float
    connections: int = 128
    keep: bool = False
    download_every: int = 1
    polls_per_second: float = 0.0


class Driver:
    """The phones of one worker against one server."""

    def __init__(
        self,
        target: Target,
        groups: tuple[Group, ...],
        phones: Phones,
        manners: Manners,
        draws: Draws,
        decider: Decider,
    ) -> None:
        self.tally = Tally()
        self.lines = Lines(len(phones))
        self.school = School(target, self.lines.find)
        self.exchanges = Exchanges(target, self.tally, self, keep=manners.keep)
        self._groups = groups
        self._phones = phones
        self._manners = manners
        self._draws = draws
        self._decider = decider
        self._parts: dict[int, Load] = {}
        self._wheel = Wheel(len(phones), (SHORTEST + SPREAD + 1) * TICKS)
        self._tick = 0
        self._bin = 0
        self._bin_ends = self._find_bin_end()
        self._may_begin = 0.0
        self._time = manners.begin
        self._last_built = max(group.built_at for group in groups)
        self._spare: list[Call] = []

    def place_phones(self) -> None:
        """Let every phone be due at a time between now and the longest interval.

        A long interval is more likely to be under way than a short one, and any part of it may be
        over: so phones come as they do in a fleet that has been polling for long.
        """
        for phone in range(len(self._phones)):
            while self._draws.below(SHORTEST + SPREAD) >= (span := self._draw_interval()):
                continue
            self.put(phone, self._draws.below(span * TICKS))

    def put(self, phone: int, tick: int) -> None:
        """Let `phone`, which is not due at another time, be due at `tick`."""
        self._wheel.put(phone, tick)

    def advance(self, tick: int) -> None:
        """Begin the polls that are due at `tick`; waits for room among the connections."""
        self._tick = tick
        self._time = self._manners.begin + tick / TICKS
        if tick >= self._bin_ends:
            self._count_bin()
        limit, exchanges = self._manners.connections, self.exchanges
        for phone in self._wheel.take(tick):
            while exchanges.under_way >= limit:
                exchanges.look(1.0)
            if self._manners.polls_per_second:
                self._hold_back(1 / self._manners.polls_per_second)
            self._begin(phone)

    def snapshot(self) -> Tally:
        """Return the sums so far."""
        self._count_requests()
        self.exchanges.count_latencies()
        self.tally.lessons = self.school.lessons
        self.tally.busy_seconds = self.exchanges.lost
        return self.tally

    def follow(self, call: Call, edge: Edge) -> None:
        """Go on behind an answer that was verified, if this phone may believe it now."""
        if call.breaks:
            self.end_early(call, Failure.CUT)
            return
        if edge.version:
            phone = call.phone
            if edge.version < self._phones.stamp[phone]:
                self.end_early(call, Failure.OLDER)
                return
            if call.now >= edge.expires:
                self.end_early(call, Failure.CLOCK)
                return
            self._phones.stamp[phone] = edge.version
        place = edge.following
        if place.__class__ is Node:
            call.node = place
            self.exchanges.ask(call, place.line)
        else:
            self._go(call, place)

    def answer(self, call: Call, head: Head, body: bytes, whole: bytes) -> None:
        """Take an answer that came in these octets for the first time: its hash has to be known."""
        node = call.node
        assert node is not None
        digest = hashlib.sha256(body).digest()
        edge = node.recognise(head.status, body, digest, is_gzip=head.is_gzip)
        if edge is None:
            if not self._study(call):
                return
            edge = node.recognise(head.status, body, digest, is_gzip=head.is_gzip)
        if edge is None:
            self.end_early(call, Failure.UNKNOWN)
            return
        node.keep(whole, edge)
        self.follow(call, edge)

    def feed(self, call: Call, octets: bytes) -> None:
        """Take octets of the block that is on its way."""
        load = call.load
        assert load is not None
        if len(octets) > load.left:
            self.end_early(call, Failure.HTTP)
        elif load.feed(octets):
            call.in_body = False
            if not load.is_whole:
                self._ask_block(call, load)
            elif load.is_right():
                self.tally.fetched += 1
                self._look_again(call)
            else:
                self.end_early(call, Failure.PACKAGE)

    def end_early(self, call: Call, why: Failure) -> None:
        """Give up until the phone's next poll; whole blocks of a package are kept."""
        self.tally.failures[why] += 1
        if call.load is not None and why is not Failure.PACKAGE:
            self._parts[call.phone] = call.load
        self.exchanges.close(call, is_good=False)
        self._sleep(call)

    def _count_requests(self) -> None:
        """Bring the sums up to date that follow from what was sent of each line."""
        tally = self.tally
        tally.requests, tally.sent = self.lines.total()
        tally.polled_in[self._bin] = tally.polls - sum(tally.polled_in[: self._bin])
        tally.asked_in[self._bin] = tally.requests - sum(tally.asked_in[: self._bin])

    def _count_bin(self) -> None:
        self._count_requests()
        self._bin = self._find_bin(self._tick)
        self._bin_ends = self._find_bin_end()

    def _find_bin(self, tick: int) -> int:
        return min(BINS - 1, int(tick / TICKS / self._manners.length * BINS))

    def _find_bin_end(self) -> float:
        return (self._bin + 1) * self._manners.length * TICKS / BINS

    def _begin(self, phone: int) -> None:
        call = self._spare.pop() if self._spare else Call()
        call.phone, call.begun = phone, self._tick
        call.now = self._now(phone)
        if self._phones.traits[phone] & FLAKY:
            if self._draws.happens(_NO_NETWORK):
                self.end_early(call, Failure.NO_NETWORK)
                return
            call.breaks = self._draws.happens(_BREAKS)
        self._poll(call)

    def _hold_back(self, apart: float) -> None:
        """Wait until `apart` seconds of the real clock after the last poll was begun."""
        while (rest := self._may_begin - time.perf_counter()) > 0:
            self.exchanges.look(rest)
        self._may_begin = time.perf_counter() + apart

    def _poll(self, call: Call) -> None:
        phones = self._phones
        state = self.school.states[phones.state[call.phone]]
        holder = self._groups[phones.group[call.phone]].holder
        place = state.polls.get(holder)
        if place is None and self._study(call):
            place = state.polls.get(holder)
        if place is not None:
            self._go(call, place)

    def _fetch(self, call: Call) -> None:
        assert call.offer is not None
        state, group = self._where(call)
        key = (group.name, call.offer.sha256, self._phones.role[call.phone])
        place = state.installs.get(key)
        if place is None and self._study(call):
            place = state.installs.get(key)
        if place is not None:
            self._go(call, place)

    def _go(self, call: Call, place: Place) -> None:
        """Ask what stands at `place`, or see what it means that nothing is left to ask."""
        if place.__class__ is Node:
            call.node = place
            self.exchanges.ask(call, place.line)
            return
        assert isinstance(place, End)
        if place.state is None:
            self.end_early(call, Failure.TRUST)
        elif call.purpose is Purpose.FETCH:
            self._take_release(call, place)
        else:
            self._phones.state[call.phone] = place.state.index
            self.exchanges.close(call, is_good=True)
            self._decide(call, place.state)

    def _decide(self, call: Call, state: TrustState) -> None:
        tally = self.tally
        tally.polls += 1
        offer = self._decider.decide(call.phone, state, call.now)
        if call.purpose is Purpose.LOOK:
            if offer is not None and offer == call.offer:
                self._switch(call)
            else:
                self.end_early(call, Failure.CHANGED)
        elif offer is None:
            self._sleep(call)
            self._spare.append(call)
        else:
            tally.offers += 1
            call.offer, call.purpose = offer, Purpose.FETCH
            self._fetch(call)

    def _take_release(self, call: Call, end: End) -> None:
        """Fetch the package, now that the maintainers' signature of it was seen."""
        assert call.offer is not None
        call.release, call.node = end.release, None
        self._phones.role[call.phone] = end.role
        if self.tally.offers % self._manners.download_every:
            self._look_again(call)
            return
        load = self._parts.pop(call.phone, None)
        if load is None or load.offer.sha256 != call.offer.sha256:
            load = Load(call.offer)
        call.load = load
        self._ask_block(call, load)

    def _ask_block(self, call: Call, load: Load) -> None:
        self.exchanges.ask(call, self.lines.find(load.request(self._manners.host)))

    def _look_again(self, call: Call) -> None:
        """Poll once more right before the switch."""
        # A server may serve packages another way and keep doing so: no poll comes behind one.
        self.exchanges.close(call, is_good=False)
        call.purpose, call.load, call.node = Purpose.LOOK, None, None
        self._poll(call)

    def _switch(self, call: Call) -> None:
        release, offer = call.release, call.offer
        assert release is not None
        assert offer is not None
        build = RunningBuild(
            fingerprint=release.fingerprint,
            incremental=release.incremental,
            counter=release.counter,
            post_timestamp=release.post_timestamp,
            security_patch_level=release.security_patch_level,
        )
        self._decider.switch(call.phone, build)
        self.tally.switched += 1
        if offer.counter == offer.final_counter:
            self.tally.arrived += 1
            self.tally.arrived_in[self._find_bin(call.begun)] += 1
        self._sleep(call)

    def _sleep(self, call: Call) -> None:
        """Let the phone be due again, counted from when it was due, not from the last answer."""
        due = call.begun + self._draw_interval() * TICKS
        # A tick that is over would come round again only when the whole wheel has turned.
        self.put(call.phone, due if due > self._tick else self._tick + 1)

    def _study(self, call: Call) -> bool:
        """Let the real code look at what the server says now; ends the call where it cannot."""
        begun = time.perf_counter()
        state, group = self._where(call)
        if call.purpose is Purpose.FETCH:
            assert call.offer is not None
            held = self._phones.role[call.phone]
            why = self.school.learn_install(state, group, call.offer, held, self._time)
        else:
            why = self.school.learn_poll(state, group, self._time)
        self.exchanges.lost += time.perf_counter() - begun
        if why is not None:
            self.end_early(call, why)
        return why is None

    def _where(self, call: Call) -> tuple[TrustState, Group]:
        phones = self._phones
        return (
            self.school.states[phones.state[call.phone]],
            self._groups[phones.group[call.phone]],
        )

    def _now(self, phone: int) -> float:
        """Return the time of the phone's own clock, which is never before its ROM was built.

        It holds until the phone sleeps again: what it does once it is due takes no simulated time,
        however long the server needs for it.
        """
        now = self._time + self._phones.skew[phone]
        if now > self._last_built:
            return now
        return max(now, self._groups[self._phones.group[phone]].built_at)

    def _draw_interval(self) -> int:
        return SHORTEST + self._draws.word() % SPREAD
