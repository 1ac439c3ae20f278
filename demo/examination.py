"""The lab's examination of two clients at the demo's server, both at the same time."""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import MappingProxyType

from client_sim.device.client import PollingClient
from client_sim.lab.clients.phone_2014 import Phone2014
from client_sim.lab.programme.live import Target, examine_live
from client_sim.lab.programme.result import ProgrammeResult
from client_sim.world import Factory, Public

GOOD = "the phone of this demo"
LEAKY = "a phone of 2014"
CLIENTS: MappingProxyType[str, Factory] = MappingProxyType({GOOD: PollingClient, LEAKY: Phone2014})
PAIRS = 1  # of owners


def examine_clients(target: Target, public: Public) -> dict[str, ProgrammeResult]:
    """Return the lab's result for each client; raises LabError if it cannot examine one.

    The examinations are independent and take most of the demo's processor time, so they run in
    parallel.
    """
    # Spawned, not forked: threads of this process may hold locks.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as beside:
        leaky = beside.submit(_examine, LEAKY, target, public)
        good = _examine(GOOD, target, public)
        return {GOOD: good, LEAKY: leaky.result()}


def _examine(name: str, target: Target, public: Public) -> ProgrammeResult:
    return examine_live(
        CLIENTS[name],
        target,
        public,
        name=name,
        pairs=PAIRS,
        now=time.time(),
        on_progress=_say_nothing,
    )


def _say_nothing(_what: str, _done: int, _whole: int) -> None:
    """Show no progress, because the narrator does."""
