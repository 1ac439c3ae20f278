"""N1 and offers: what happens to an owner changes neither whether nor when a phone takes one.

A phone's place in a rollout is known here, so shares are chosen to the phone: one that passes it
over by one place, then one that takes it in. A place that moved by one shows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from client_sim.lab.clients.installing import install_in_vain, install_too
from client_sim.lab.oracles.choices import Offered, judge_choices, place_of
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.case import Battery, Case, judge_same_polls
from client_sim.lab.programme.ground import Ground
from client_sim.lab.scenarios.crossing import draw_break, hushed, shuffled
from client_sim.lab.scenarios.driving import POLL, REBOOT, RESET, Scenario
from client_sim.lab.servers.contents import Publication, release, widen
from client_sim.lab.trace.entropy import Entropy, SeededEntropy
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.owner_events.events import EVERYDAY, KINDS_2014
from client_sim.tape import Tape
from client_sim.world import Public

KINDS: Final = (*(kind.value for kind in (*KINDS_2014, *EVERYDAY)), REBOOT)
"""What happens once, twice and three times between offers; one of them in each case."""

_PHONES: Final = 8  # with a secret each; few, so that few different servers are described
# How often it happens before each poll that a build is offered in, or is not yet.
_ROUNDS: Final = ((0, 2), (1, 1), (0, 3), (2, 1), (2,), (3,))
_KNOWN: Final = ((0, 0), (0, 0))
_TAKEN: Final = 3  # connections of a poll that installs: its own, the package's, the second look
_SECRET: Final = 32  # bytes
# Such a poll has two. The search for planted values would take as long as the runs; another owner's
# phone shows them.
_SPARED: Final = frozenset({"completes", "canaries"})


class _Life(NamedTuple):
    """Steps, what is published meanwhile, and what the phone is offered in which poll."""

    steps: tuple[str, ...]
    history: tuple[Publication, ...]
    offered: tuple[Offered, ...]


def offers(ground: Ground, size: int) -> Battery:
    """Let one kind of event come once, twice and three times between offers, beside silence.

    Most builds are offered to so many phones that this one is not among them, then to one more;
    the others to all at once. Every second life has a power-off, a clock that is set back or a
    reset in it, every second turn other events as well. On the phones of every third case no build
    boots that they install. The silent phone has another owner.
    """

    def make(number: int) -> Case:
        tape = ground.tape("offers", number)
        turn, kind = divmod(number, len(KINDS))
        phone = (turn + kind) % _PHONES
        public = ground.publics[phone % len(ground.publics)]
        entropy = Entropy(b"%d offers %d" % (ground.seed, phone))
        life = _make_life(public, entropy, turn, kind, tape)
        setting = replace(
            ground.setting(
                Scenario(f"offers around {KINDS[kind]}", life.steps),
                public=ground.secured(public, is_secure=(turn + kind) // 2 % 2 == 1),
                personal=ground.owner(2 * number),
                entropy=entropy,
                serve=ground.publishing(life.history),
            ),
            adapt=install_in_vain if (turn + kind) % 3 == 0 else install_too,
        )
        still = replace(
            setting, scenario=hushed(setting.scenario), personal=ground.owner(2 * number + 1)
        )

        def judge(seen: Sequence[Observation]) -> tuple[Finding, ...]:
            known = sum(len(polls) for polls in _KNOWN)
            whole = [each for each in seen if _is_whole(each, life)]
            own = (judge_choices(each, life.offered, known) for each in whole)
            return (*judge_same_polls(seen), *(finding for found in own for finding in found))

        return Case((setting, still), judge, _SPARED, derive=hushed)

    question = (
        f"Do phones take the same offers in the same polls, by their place alone, whichever of"
        f" {len(KINDS)} kinds of events comes once, twice or three times between them?"
    )
    return Battery("offers", "N1", question, size, make)


def _make_life(public: Public, entropy: Entropy, turn: int, kind: int, tape: Tape) -> _Life:
    rounds = shuffled(_ROUNDS, tape)
    cut = tape.below(len(rounds)) if (turn + kind) % 2 else None
    steps, history, offered = [POLL], [], []
    secret = _draw_secret(entropy, 1)
    polls = connections = 1
    for counter, times in enumerate((*_KNOWN, *rounds), 2):
        if cut == counter - len(_KNOWN) - 2:
            steps.append(draw_break((turn + kind) // 2, tape))
            if steps[-1] == RESET:
                secret = _draw_secret(entropy, polls + 1)
        place = place_of(secret, public, counter)
        shares = (1000,) if len(times) == 1 else (place, place + 1)
        for nth, (share, often) in enumerate(zip(shares, times, strict=True)):
            gap = [KINDS[kind]] * often
            if turn % 2 and counter > len(_KNOWN) + 1:
                gap += [other for other in KINDS if tape.below(4) == 0]
            steps += [*shuffled(gap, tape), POLL]
            polls += 1
            change = widen(share) if nth else release(share)
            history.append(Publication(f"build {counter} for {share}", change, connections))
            offered.append(Offered(polls, counter, place, share))
            connections += _TAKEN if place < share else 1
    return _Life(tuple(steps), tuple(history), tuple(offered))


def _is_whole(seen: Observation, life: _Life) -> bool:
    """Say whether a run has all polls of a life, and its reset: in a smaller one places differ."""
    was_reset = any(d.channel is Channel.DUE and d.phase.endswith(RESET) for d in seen.departures)
    return len(seen.outcomes) == life.steps.count(POLL) and was_reset == (RESET in life.steps)


def _draw_secret(entropy: Entropy, poll: int) -> bytes:
    """Return what a phone draws first of a secret's length in a poll: where it has none, its own.

    A phone that draws something else before is offered builds at shares that are anything to it.
    """
    drawn = SeededEntropy(entropy)
    drawn.begin_poll(poll)
    return drawn(_SECRET)
