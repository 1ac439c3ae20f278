"""Clients that make something of what they are told and asked between polls are found."""

from functools import cache

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import TOLD
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import BATTERIES
from client_sim.lab.programme.profile import PROFILES, Profile
from client_sim.lab.programme.runner import try_client

BY_ID = {mutant.id: mutant.make for mutant in TOLD}
FOUND_BY = {
    "text-kept-around": ("tripwire",),
    "caller-order": ("events", "grammar", "tripwire"),
    "account-minute": ("events", "tripwire"),
    "restart-draws": ("events", "schedule"),
    "message-draws": ("events", "schedule"),
    "journey-minute-around": ("events", "schedule"),
}


@cache
def ground(make):
    """Make the ground that suits a client."""
    return plan_ground(make, 0)


def killers(make):
    """Let lives full of events, and the guards, look at a client."""
    size = PROFILES["mutant"].sizes["events"]
    profile = Profile("one battery", {"events": size}, 0, 0)
    return try_client(make, (BATTERIES["events"](ground(make), size),), profile).killed_by


def test_everyone_is_here():
    """None is forgotten."""
    assert set(FOUND_BY) == set(BY_ID)


@pytest.mark.parametrize("mutant_id", FOUND_BY)
def test_what_happens_between_polls_stays_there(mutant_id):
    """A look at an event's details is found, and so is a due time that moves."""
    assert set(killers(BY_ID[mutant_id])) == set(FOUND_BY[mutant_id])


def test_a_client_that_keeps_its_due_time_is_not_accused():
    """Nor is one that is told of everything and looks at nothing."""
    assert killers(ToyClient) == ()
