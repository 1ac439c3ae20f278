"""After an offer: phones of a kind are alike where they install, and where that fails.

The phone's own client installs here, which it does nowhere else in the lab.
"""

from dataclasses import replace
from typing import Final

from client_sim.lab.clients.installing import install_too
from client_sim.lab.oracles.cardinality import CROWDS
from client_sim.lab.programme.batteries.fleet import judge_installing
from client_sim.lab.programme.batteries.servers import judge_servers, wrapped
from client_sim.lab.programme.case import Battery, Case, judge_same_bytes, judge_same_trace
from client_sim.lab.programme.ground import WEEK, Ground, History
from client_sim.lab.scenarios.lives import idle
from client_sim.lab.servers.contents import Publication, release
from client_sim.lab.servers.faults_network import INSTALL
from client_sim.lab.servers.hostile_fetches import INSTALLING
from client_sim.lab.trace.entropy import Entropy

_OFFER: Final[History] = (Publication("a release for all", release(1000)),)
# One step of a scenario holds a poll, its installation, and the look before the switch.
_TWICE: Final = frozenset({"completes"})
_CROWD: Final = max(CROWDS.values())
_STRIDE: Final = 89  # has no divisor with their number: a few cases are of all kinds of faults
_FIRST: Final = (1, 2, 3)  # connections after that of the first poll
_CONNECTIONS: Final = 64  # more than three polls and their installations have
# Polls get nowhere on purpose; and an installation takes its time after the draw, so that less is
# left of the interval.
_SPARED: Final = frozenset({"completes", "schedule"})


def installs(ground: Ground, size: int) -> Battery:
    """Let phones of two kinds install in one case, half of each from the build before.

    A kind is a model, region and channel; from the build before there is an incremental, for all
    others the full package.
    """
    names = [(public.codename, public.region, public.channel) for public in ground.publics]

    def make(number: int) -> Case:
        tape = ground.tape("installs", number)
        kinds = {names[(2 * number + place) % len(names)] for place in range(2)}
        phones = [
            public
            for public, name in zip(ground.publics, names, strict=True)
            for _ in range(_CROWD)
            if name in kinds
        ]
        settings = tuple(
            replace(
                ground.setting(
                    idle(2),
                    public=public,
                    personal=ground.owner(number + place * size),
                    entropy=Entropy(tape.data(8)),
                    start=ground.start + tape.below(WEEK),
                    serve=ground.publishing(_OFFER),
                ),
                adapt=install_too,
            )
            for place, public in enumerate(phones)
        )
        # Each phone of a kind and build is offered a package.
        offered = {(p.codename, p.region, p.channel, p.build.counter) for p in phones}
        models = len({each.codename for each in phones})
        return Case(settings, judge_installing(models, len(offered)), _TWICE)

    question = f"Where phones install, does each request come from {_CROWD} of them or more?"
    return Battery("installs", "N2", question, size, make)


def install_faults(ground: Ground, size: int) -> Battery:
    """Let two owners' phones meet the same fault where they fetch what they are offered.

    The fault strikes at the first installation, or at all. Half of the phones are offered an
    incremental first. In every second case the two phones differ in their randomness, too.
    """

    def make(number: int) -> Case:
        turn, place = divmod(number, len(INSTALL))
        fault = INSTALL[number * _STRIDE % len(INSTALL)]
        struck = range(_CONNECTIONS) if turn else _FIRST
        one = ground.setting(
            idle(3),
            public=ground.publics[number % len(ground.publics)],
            personal=ground.owner(2 * number),
            entropy=Entropy(b"install %d" % number),
            serve=wrapped(ground.publishing(_OFFER), fault.at(struck)),
        )
        one = replace(one, adapt=install_too)
        other = replace(one, personal=ground.owner(2 * number + 1))
        if (turn + place // 2) % 2 == 0:
            return Case((one, other), judge_same_trace, _SPARED)
        other = replace(other, entropy=Entropy(b"another install %d" % number))
        return Case((one, other), judge_same_bytes, _SPARED)

    question = f"Do {len(INSTALL)} faults behind an offer leave all phones of a kind alike?"
    return Battery("install-faults", "N1", question, min(size, 2 * len(INSTALL)), make)


def install_state(ground: Ground, size: int) -> Battery:
    """Let a phone install from servers that differ in one thing that is not content.

    Half of the phones poll over TLS, and half are offered an incremental first.
    """

    def make(number: int) -> Case:
        pair = INSTALLING[number]
        public = ground.publics[number % len(ground.publics)]
        setting = replace(
            ground.setting(
                idle(3),
                public=ground.secured(public, is_secure=number // 2 % 2 == 1),
                personal=ground.owner(number),
                entropy=Entropy(b"install state %d" % number),
            ),
            adapt=install_too,
        )
        settings = tuple(
            replace(setting, serve=wrapped(ground.publishing(_OFFER), wrap))
            for wrap in (pair.first, pair.second, pair.others[0])
        )
        return Case(settings, judge_servers, _SPARED)

    question = (
        f"Does what {len(INSTALLING)} pairs of servers say to phones that install not come back?"
    )
    return Battery("install-state", "N3", question, min(size, len(INSTALLING)), make)
