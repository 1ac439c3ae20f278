"""N1 behind an offer: what fails while a phone installs leaves all phones of a kind alike."""

from dataclasses import replace
from typing import Final

from client_sim.lab.clients.installing import install_too
from client_sim.lab.programme.batteries.servers import wrapped
from client_sim.lab.programme.case import Battery, Case
from client_sim.lab.programme.ground import Ground, History
from client_sim.lab.programme.judges import judge_same_trace
from client_sim.lab.scenarios.lives import idle
from client_sim.lab.servers.contents import Publication, release
from client_sim.lab.servers.faults_install import INSTALL
from client_sim.lab.trace.entropy import Entropy

_OFFER: Final[History] = (Publication("a release for all", release(1000)),)
_STRIDE: Final = 89  # has no divisor with their number: a few cases are of all kinds of faults
_FIRST: Final = (1, 2, 3)  # connections behind that of the first poll
_CONNECTIONS: Final = 64  # more than three polls and their installations have
# Polls get nowhere on purpose; and an installation takes its time behind the draw, so that less is
# left of the interval.
_SPARED: Final = frozenset({"completes", "schedule"})


def install_faults(ground: Ground, size: int) -> Battery:
    """Let two owners' phones meet the same fault where they fetch what they are offered.

    The phone's own client installs here, which it does nowhere else in the lab. The fault strikes
    at the first installation, or at all. Half of the phones are offered an incremental first.
    """

    def make(number: int) -> Case:
        fault = INSTALL[number * _STRIDE % len(INSTALL)]
        struck = _FIRST if number < len(INSTALL) else range(_CONNECTIONS)
        one = ground.setting(
            idle(3),
            public=ground.publics[number % len(ground.publics)],
            personal=ground.owner(2 * number),
            entropy=Entropy(b"install %d" % number),
            serve=wrapped(ground.publishing(_OFFER), fault.at(struck)),
        )
        one = replace(one, adapt=install_too)
        other = replace(one, personal=ground.owner(2 * number + 1))
        return Case((one, other), judge_same_trace, _SPARED)

    question = f"Do {len(INSTALL)} faults behind an offer leave all phones of a kind alike?"
    return Battery("install-faults", "N1", question, min(size, 2 * len(INSTALL)), make)
