"""Clients that bring back how long an answer took, or how many pieces it had, are found."""

from functools import cache

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import WAITS
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import BATTERIES
from client_sim.lab.programme.profile import Profile
from client_sim.lab.programme.run import Runs
from client_sim.lab.programme.runner import Task, run_task
from client_sim.lab.servers.hostile import HOSTILE

BY_ID = {mutant.id: mutant.make for mutant in WAITS}
PIECES = [place for place, pair in enumerate(HOSTILE) if pair.field == "pieces"]


@cache
def ground(make):
    """Make the ground that suits a client."""
    return plan_ground(make, 0)


def found(make):
    """Let servers that differ in times and pieces look at a client: quiet ones, then changing."""
    battery = BATTERIES["server-state"](ground(make), 2 * len(HOSTILE))
    profile = Profile("one battery", {}, 0, 0)
    return {
        oracle
        for place in (*PIECES, *(place + len(HOSTILE) for place in PIECES))
        for oracle, tally in run_task(
            Runs(make), (battery,), Task(0, place, place + 1), profile
        ).items()
        if tally.count
    }


@pytest.mark.parametrize("mutant_id", BY_ID)
def test_what_a_server_chose_does_not_come_back(mutant_id):
    """One bit of it is enough, in pieces, lines or seconds."""
    assert "server-state" in found(BY_ID[mutant_id])


@pytest.mark.parametrize("make", [ToyClient, PollingClient])
def test_clean_clients_take_their_time(make):
    """They wait as long as an answer takes, and draw as ever."""
    assert found(make) == set()
