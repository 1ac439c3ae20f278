"""Runs the phones of a worker: begins polls that are due, and continues each up to its switch.

A phone is a number. Only an active phone has an object, its `Call`. The tree of its trust state
states the next request, and every answer must have a hash that the real code has processed.
"""

import hashlib
import time
from typing import TYPE_CHECKING, Final

from client_sim.fleet.answer_tree import Edge, End, Node, Place, TrustState
from client_sim.fleet.answers import Answer
from client_sim.fleet.call import Call, Load, PacketLoader, Pair, Pairs, Purpose
from client_sim.fleet.decisions import Behaviour, Decider
from client_sim.fleet.errors import MISHAPS, Fault, first_line
from client_sim.fleet.lines import Lines
from client_sim.fleet.loader import Dialler
from client_sim.fleet.population import FLAKY, Draws, Group, Phones
from client_sim.fleet.response_learner import ResponseLearner
from client_sim.fleet.tally import SIMULATED, Failure, Intervals, Stopwatch, Tally
from client_sim.fleet.target import Target
from client_sim.fleet.timer_wheel import TICKS, PollSchedule
from client_sim.fleet.twins import Twins

if TYPE_CHECKING:
    from client_sim.device.release import Release

_HOUR: Final = 3600
_NO_NETWORK: Final = 0.2  # share of a flaky phone's polls that find no network
_BREAKS: Final = 0.1  # share of its connections that break


class Driver:
    """The phones of one worker, which poll one server by `schedule`."""

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
        self._time = behaviour.begin  # simulated, epoch seconds
        self._spare: list[Call] = []  # for reuse, after their phones have gone to sleep
        self.stopwatch = Stopwatch(self.tally)
        self.learner = ResponseLearner(target, self.lines.find)
        self.exchanges = PacketLoader(
            Dialler(target),
            self.tally,
            limit=behaviour.connections,
            keep=behaviour.keep,
            clock=self.stopwatch.read,
        )
        self._intervals = Intervals(self.tally, self.lines, behaviour.length)
        self.schedule = PollSchedule(len(phones), draws)
        self._groups = groups
        self._phones = phones
        self._behaviour = behaviour
        self._draws = draws
        self._decider = decider
        self._may_begin = 0.0
        self._last_built = max(group.built_at for group in groups)
        self._parts: dict[int, Load] = {}
        twinning = behaviour.twinning
        self._twins = None if twinning is None else Twins(target, twinning, self.tally)
        self._pairs = Pairs(self.lines) if behaviour.keep else None

    def advance(self, tick: int) -> None:
        """Begin the polls that are due at `tick`, waiting for free connections."""
        now = self._time = self._behaviour.begin + tick / TICKS
        self._intervals.move(tick)
        exchanges = self.exchanges
        traits, skew, spare = self._phones.traits, self._phones.skew, self._spare
        pace = self._behaviour.polls_per_second
        for phone in self.schedule.take(tick):
            while exchanges.is_busy:
                exchanges.process(1.0)
            if pace:
                self._pace(1 / pace)
            call = spare.pop() if spare else Call(self)
            call.phone, call.due_tick = phone, tick
            # The phone's own clock, which is never before the build of its ROM. It stands still
            # during the poll: a poll takes no simulated time, however slow the server is.
            call.now = now + skew[phone]
            if call.now <= self._last_built:
                group = self._groups[self._phones.group[phone]]
                call.now = max(call.now, group.built_at)
            if traits[phone] & FLAKY:
                if self._draws.happens(_NO_NETWORK):
                    self.end_early(call, Failure.NO_NETWORK)
                    continue
                call.breaks = self._draws.happens(_BREAKS)
            self.poll(call)

    def snapshot(self) -> Tally:
        """Return the totals so far."""
        self._intervals.count()
        self.stopwatch.count()
        self.tally.lessons = self.learner.lessons
        return self.tally

    def _pace(self, interval: float) -> None:
        """Wait until `interval` seconds of real time after the start of the last poll."""
        while (rest := self._may_begin - time.perf_counter()) > 0:
            self.exchanges.process(rest)
        self._may_begin = time.perf_counter() + interval

    def poll(self, call: Call) -> None:
        """Begin a poll."""
        phones = self._phones
        state = self.learner.states[phones.state[call.phone]]
        holder = self._groups[phones.group[call.phone]].holder
        place = state.polls.get(holder)
        if place is None and self._learn(call):
            place = state.polls.get(holder)
        if place is None:
            return
        if self._pairs is not None:
            pair = self._pairs.find(place)
            if pair is not None and self.exchanges.join(call, pair):
                return
        self._proceed(call, place)

    def follow(self, call: Call, edge: Edge) -> None:
        """Continue after a verified answer, unless this phone refuses it by version or expiry."""
        if call.breaks:
            self.end_early(call, Failure.CUT)
            return
        if edge.version:
            phone = call.phone
            if edge.version < self._phones.stamp[phone]:
                self.end_early(call, Failure.OLDER, f"version {edge.version}")
                return
            if call.now >= edge.expires:
                self.end_early(call, Failure.CLOCK)
                return
            self._phones.stamp[phone] = edge.version
        place = edge.following
        if place.__class__ is Node:
            self.exchanges.send(call, place)
        else:
            self._proceed(call, place)

    def note_latency(self, sent_at: float, polls: int = 1) -> None:
        """Record the latency of `polls` polls whose requests were sent at `sent_at`."""
        self.stopwatch.note(self.exchanges.now - sent_at, polls)

    def take_answer(self, call: Call, answer: Answer) -> None:
        """Process an answer that differs from the last one; its hash must be known."""
        assert call.node is not None
        edge = self._recognise(call, call.node, answer)
        if edge is not None:
            self.follow(call, edge)

    def answer_pair(self, call: Call, pair: Pair, first: Answer, second: Answer) -> None:
        """Process the two answers of a pair that differ from the last ones."""
        edge = self._recognise(call, pair.first, first)
        if edge is None:
            return
        if edge.following is pair.second:
            edge = self._recognise(call, pair.second, second)
            if edge is not None:
                pair.keep(first.raw + second.raw, edge)
                self.follow(call, edge)
            return
        # A new root: the second request was too early, so the poll begins again.
        self._proceed(call, pair.first)

    def _recognise(self, call: Call, node: Node, answer: Answer) -> Edge | None:
        """Return the edge of an answer; end the call if the real code cannot learn it."""
        head, body = answer.head, answer.body
        digest = hashlib.sha256(body).digest()
        edge = node.recognise(head.status, body, digest, is_gzip=head.is_gzip)
        if edge is None:
            if not self._learn(call):
                return None
            edge = node.recognise(head.status, body, digest, is_gzip=head.is_gzip)
        if edge is None:
            self.end_early(call, Failure.UNKNOWN, f"status {head.status}, {len(body)} bytes")
            return None
        node.keep(answer.raw, edge)
        return edge

    def take_block(self, call: Call) -> None:
        """Fetch the next block, or check the complete package."""
        load = call.load
        assert load is not None
        if not load.is_complete:
            self._request_block(call, load)
        elif load.is_valid():
            self.tally.fetched += 1
            self._recheck(call)
        else:
            self.end_early(call, Failure.PACKAGE)

    def end_early(self, call: Call, why: Failure, detail: str = "") -> None:
        """Stop until the phone's next poll, and keep the complete blocks of a package."""
        self.tally.failures[why] += 1
        if why not in SIMULATED and len(self.tally.mishaps) < MISHAPS:
            self.tally.mishaps.append(self._describe(call, why, detail))
        if call.load is not None and why is not Failure.PACKAGE:
            self._parts[call.phone] = call.load
        self.exchanges.close(call, is_good=False)
        self.schedule.renew(call.phone, call.due_tick)

    def _describe(self, call: Call, why: Failure, detail: str) -> Fault:
        return Fault(
            why=why.value,
            hours=(self._time - self._behaviour.begin) / _HOUR,
            group=self._groups[self._phones.group[call.phone]].name,
            request="" if call.node is None else first_line(call.node.line.data),
            detail=detail,
        )

    def _fetch(self, call: Call) -> None:
        assert call.offer is not None
        state, group = self._locate(call)
        key = (group.name, call.offer.sha256, self._phones.role[call.phone])
        place = state.installs.get(key)
        if place is None and self._learn(call):
            place = state.installs.get(key)
        if place is not None:
            self._proceed(call, place)

    def _proceed(self, call: Call, place: Place) -> None:
        """Send the request at `place`, or continue after the end of a path."""
        if place.__class__ is Node:
            self.exchanges.send(call, place)
            return
        assert isinstance(place, End)
        if place.state is None:
            self.end_early(call, Failure.TRUST, place.fault)
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
        if call.purpose is Purpose.RECHECK:
            if offer is not None and offer == call.offer:
                self._switch(call)
            else:
                self.end_early(call, Failure.CHANGED)
        elif offer is None:
            self.schedule.renew(call.phone, call.due_tick)
            self._spare.append(call)
        else:
            tally.offers += 1
            call.offer, call.purpose = offer, Purpose.FETCH
            self._fetch(call)

    def _take_release(self, call: Call, end: End) -> None:
        """Begin or skip the download, after the signed release was verified."""
        assert call.offer is not None
        call.release = end.release
        self._phones.role[call.phone] = end.role
        if self.tally.offers % self._behaviour.download_every:
            self._recheck(call)
            return
        load = self._parts.pop(call.phone, None)
        if load is None or load.offer.sha256 != call.offer.sha256:
            load = Load(call.offer)
        call.load = load
        self._request_block(call, load)

    def _request_block(self, call: Call, load: Load) -> None:
        request = load.request(self._behaviour.host)
        call.body = load
        self.exchanges.send(call, Node(self.lines.find(request)))

    def _recheck(self, call: Call) -> None:
        """Poll again right before the switch."""
        # A server may handle a connection differently after a package, so a poll needs a new one.
        self.exchanges.close(call, is_good=False)
        call.purpose, call.load = Purpose.RECHECK, None
        self.poll(call)

    def _switch(self, call: Call) -> None:
        release, offer = call.release, call.offer
        assert release is not None
        assert offer is not None
        self.tally.switched += 1
        self._run_twin(call, release)
        self._decider.switch(call.phone, release.build)
        if offer.counter == offer.final_counter:
            self.tally.arrived += 1
            self.tally.arrived_in[self._intervals.find(call.due_tick)] += 1
        self.schedule.renew(call.phone, call.due_tick)

    def _run_twin(self, call: Call, release: "Release") -> None:
        if self._twins is None:
            return
        begun = time.perf_counter()
        _, group = self._locate(call)
        running, secret = self._decider.running(call.phone), self._decider.secret(call.phone)
        self._twins.follow(group, running, release.build, secret, call.now)
        self.stopwatch.excluded += time.perf_counter() - begun

    def _learn(self, call: Call) -> bool:
        """Let the real code learn the server's current answers; end the call if that fails."""
        begun = time.perf_counter()
        state, group = self._locate(call)
        if call.purpose is Purpose.FETCH:
            assert call.offer is not None
            role_version = self._phones.role[call.phone]
            why = self.learner.learn_install(state, group, call.offer, role_version, self._time)
        else:
            why = self.learner.learn_poll(state, group, self._time)
        self.stopwatch.excluded += time.perf_counter() - begun
        if why is not None:
            self.end_early(call, *why)
        return why is None

    def _locate(self, call: Call) -> tuple[TrustState, Group]:
        phones = self._phones
        return (
            self.learner.states[phones.state[call.phone]],
            self._groups[phones.group[call.phone]],
        )
