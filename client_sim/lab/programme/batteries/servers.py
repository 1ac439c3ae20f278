"""N3: what a server says beside content does not come back; and a failing server learns nothing."""

from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.server_state import judge_server_state
from client_sim.lab.programme.case import Battery, Case
from client_sim.lab.programme.ground import Ground, Serve
from client_sim.lab.scenarios.lives import idle
from client_sim.lab.servers.hostile import HOSTILE
from client_sim.lab.servers.replies import Wrap
from client_sim.lab.trace.entropy import Entropy

_POLLS: Final = 4
_SPARED: Final = frozenset({"completes"})


def server_state(ground: Ground, size: int) -> Battery:
    """Let one phone meet two servers that differ in one thing that is not content."""

    def make(number: int) -> Case:
        pair = HOSTILE[number % len(HOSTILE)]
        serve = ground.quiet if number < len(HOSTILE) else ground.changing(number)
        setting = ground.setting(
            idle(_POLLS), personal=ground.owner(number), entropy=Entropy(b"server %d" % number)
        )
        settings = tuple(
            replace(setting, serve=wrapped(serve, wrap)) for wrap in (pair.first, pair.second)
        )
        return Case(settings, lambda seen: judge_server_state(*seen))

    question = f"Is the trace the same for {len(HOSTILE)} pairs of servers that want it to differ?"
    return Battery("server-state", "N3", question, min(size, 2 * len(HOSTILE)), make, _SPARED)


def wrapped(serve: Serve, wrap: Wrap) -> Serve:
    """Make servers that are changed by a wrap."""
    return lambda: wrap(serve())
