"""Clients that no row can say: each shows what its sentence names."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.behaviours import MUTANTS
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, LOT, follows
from tests.client_sim.lab.mutants.habitat import lead

BY_ID = {mutant.id: mutant.make for mutant in MUTANTS}
FOLLOWED = {
    "activity-message": "events",
    "activity-call-around": "events",
    "burst-retries": "owner in a failure",
    "session-of-poll": "seed",
    "resumed-early": "server",
    "key-served": "keys",
    "plain-after-failure": "owner in a failure",
    "absent-close": "owner",
    "absent-poll": "owner",
}
OPEN = {"hangs-on", "one-for-days", "second-push", "hangs-on-around"}


def open_ends(make_client):
    """Give what is not closed in the poll in which it was opened."""
    trace = lead(make_client, LOT)
    opened = {(poll, what.split()[1]) for poll, what, _ in trace.data if "target" in what}
    closed = {
        (poll, what.split()[1])
        for poll, what, _ in trace.data
        if "close" in what and "since" not in what
    }
    return opened - closed


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_leak_follows_what_its_sentence_names(name):
    """With nothing else changed, something else leaves, or at another time."""
    assert FOLLOWED[name] in COMPARISONS
    assert follows(BY_ID[name], FOLLOWED[name])


def test_a_connection_outlives_its_poll():
    """Something is never closed, or later; not so in clean clients."""
    assert {name for name in OPEN if open_ends(BY_ID[name])} == OPEN
    assert not open_ends(ToyClient)
    assert not open_ends(PollingClient)


def test_what_was_drawn_once_comes_again():
    """All intervals are one, as those of clean clients are not."""
    lot = LOT.but(steps=("poll",) * 9)
    assert len(set(lead(BY_ID["phase-replayed-around"], lot).gaps)) == 1
    assert len(set(lead(PollingClient, lot).gaps)) == 9


def test_everyone_is_here():
    """None is forgotten."""
    assert {*FOLLOWED, *OPEN, "phase-replayed-around"} == set(BY_ID)
