"""Clients that show what they keep, when they poll, what a server said, or how they connect."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.downloading import DownloadingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import (
    activity,
    connections,
    directions,
    echoes,
    kept_phases,
    memories,
    phases,
    secrecy,
)
from client_sim.lab.mutants.library import find_mutant
from tests.client_sim.device.repository_simulator import DAY, START
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, LOT, follows
from tests.client_sim.lab.mutants.habitat import lead

CLEAN = (ToyClient, DownloadingToy, PollingClient)
MUTANTS = [
    mutant
    for module in (
        *(memories, phases, kept_phases, activity),
        *(echoes, directions, secrecy, connections),
    )
    for mutant in module.MUTANTS
]
# From their sentences: what each of them follows, or `polls` if it changes from poll to poll, or
# `habit` if it shows in times alone (below).
PROOFS = {
    **dict.fromkeys((mutant.id for mutant in phases.MUTANTS), "owner"),
    **dict.fromkeys((mutant.id for mutant in kept_phases.MUTANTS), "habit"),
    **dict.fromkeys((mutant.id for mutant in activity.MUTANTS), "events"),
    **dict.fromkeys((mutant.id for mutant in (*echoes.MUTANTS, *directions.MUTANTS)), "server"),
    "counter-requests": "polls",
    "counter-boots": "restarts",
    "counter-failures": "failures",
    "counter-events": "events",
    "counter-parity": "polls",
    "counter-root": "polls",
    "counter-octets-around": "polls",
    "birth-second": "birth",
    "birth-day": "birth",
    "birth-age": "absence",
    "birth-root": "birth",
    "birth-minute": "birth",
    "birth-enciphered-around": "birth",
    "flag-first-of-week": "birth",
    "flag-drawn-day": "seed of weeks",
    "flag-which-request": "owner",
    "flag-daily-around": "birth",
    "burst-messages": "owner",
    "burst-digit": "owner",
    "burst-retries": "owner in a failure",
    "door-strict": "strictness",
    "resumed-name": "seed",
    "resumed-early": "server",
    "resumed-full-once": "polls",
    "hello-case": "owner",
    "hello-dot": "owner",
    "hello-port": "owner",
    "hello-carrier": "owner",
    "hello-case-around": "owner",
    "plain-after-failure": "owner in a failure",
    "plain-injected": "owner",
    "plain-abroad": "events",
    "plain-injected-around": "owner",
    "hangs-on": "open",
    "one-for-days": "open",
    "second-request": "owner",
    "second-push": "open",
    "stream-numbers": "polls",
    "hangs-on-around": "open",
    "key-served": "keys",
    "key-owner": "owner",
    "key-drawn": "seed",
    "key-around": "seed",
}


def proved_by(*words):
    """List pairs of mutant id and proof."""
    return [(name, word) for name, word in PROOFS.items() if word in words]


def gaps(factory, polls=60, seed=b"seed", steps=None):
    """Give the seconds between idle polls."""
    lot = LOT.but(seed=seed, steps=steps or ("poll",) * polls, start=START - START % (7 * DAY))
    return lead(factory, lot).gaps


def is_constant(values):
    """Say whether all values are the same."""
    return len(set(values)) == 1


def spread(factory, measure):
    """Give by how much a measure of the gaps differs among phones."""
    measured = [measure(gaps(factory, seed=b"%d" % number)) for number in range(12)]
    return max(measured) - min(measured)


def seconds(factory):
    """Give the second of the hour of each poll."""
    lot = LOT.but(steps=("poll",) * 20, start=START - START % 3600)
    trace = lead(factory, lot)
    return [float(data) % 3600 for _, _, what, data in trace.left if what == "due"]


def boots(factory):
    """Give the distinct gaps of ten polls with a restart in their middle."""
    return set(gaps(factory, steps=("poll",) * 5 + ("reboot",) + ("poll",) * 5))


def late_draws(factory):
    """Give the draws behind the first poll."""
    trace = lead(factory, LOT.but(steps=("poll",) * 5))
    return [size for poll, size in trace.draws if poll > 1]


# How each habit shows; hand-made for it, and not to be seen in clean clients.
HABITS = {
    "phase-kept": lambda make: is_constant(gaps(make)),
    "phase-boot": lambda make: len(boots(make)) == 2,
    "phase-week": lambda make: len(set(gaps(make))) <= 3,
    "phase-ground": lambda make: is_constant(gap % 256 for gap in gaps(make)),
    "phase-mixed": lambda make: max(gaps(make)) - min(gaps(make)) < 256,
    "phase-second": lambda make: is_constant(seconds(make)),
    "phase-chain": lambda make: late_draws(make) == [],
    "phase-turns": lambda make: is_constant(gaps(make)[::2]) and is_constant(gaps(make)[1::2]),
    # A clean mean of 60 has a deviation of 14,401 / sqrt(12 * 60) = 537 s: 12 stay within 2,600.
    "phase-nearest": lambda make: spread(make, lambda each: sum(each) / len(each)) > 4_000,
    # Of 60 clean gaps the longest is, but for 1 in 10,000, among the longest seventh.
    "phase-quartz": lambda make: spread(make, max) > 2_057,
    "phase-replayed-around": lambda make: is_constant(gaps(make)),
}


@pytest.mark.parametrize(("mutant_id", "what"), proved_by(*COMPARISONS))
def test_a_leak_follows_what_its_sentence_names(mutant_id, what):
    """With nothing else changed, something else leaves, or at another time."""
    assert follows(find_mutant(mutant_id).make, what)


@pytest.mark.parametrize("what", COMPARISONS)
@pytest.mark.parametrize("make_client", CLEAN)
def test_a_clean_client_follows_none_of_this(make_client, what):
    """In each of these comparisons all clean phones are one."""
    assert not follows(make_client, what)


def later_polls(make_client):
    """Give the distinct bytes of polls 2 to 6 in which nothing happens."""
    trace = lead(make_client, LOT.but(steps=("poll",) * 6))
    return {trace.of_poll(number) for number in range(2, 7)}


@pytest.mark.parametrize("mutant_id", [name for name, _ in proved_by("polls")])
def test_a_leak_changes_from_poll_to_poll(mutant_id):
    """Nothing happens and the polls differ; the one that changes once does so after the first."""
    make_client = find_mutant(mutant_id).make
    first = lead(make_client, LOT.but(steps=("poll",) * 2))
    assert len(later_polls(make_client)) > 1 or first.of_poll(1) != first.of_poll(2)


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


@pytest.mark.parametrize("mutant_id", [name for name, _ in proved_by("open")])
def test_a_connection_outlives_its_poll(mutant_id):
    """Something is never closed, or later."""
    assert open_ends(find_mutant(mutant_id).make)


@pytest.mark.parametrize("mutant_id", [name for name, _ in proved_by("habit")])
def test_a_habit_shows_in_the_times(mutant_id):
    """It does, and the clean toy does not have it."""
    assert HABITS[mutant_id](find_mutant(mutant_id).make)
    assert not HABITS[mutant_id](ToyClient)


def test_clean_clients_close_and_do_not_change():
    """The toy and the real client ask the same in all later polls and leave nothing open."""
    for make_client in (ToyClient, PollingClient):
        assert len(later_polls(make_client)) == 1
        assert not open_ends(make_client)
    assert lead(ToyClient, LOT).of_poll(1) == lead(ToyClient, LOT).of_poll(2)


def test_every_leak_of_these_families_is_proved():
    """None is forgotten, none is made up; each family has two variants or more."""
    assert set(PROOFS) == {mutant.id for mutant in MUTANTS}
    assert set(HABITS) == {name for name, _ in proved_by("habit")}
    families = [mutant.family for mutant in MUTANTS]
    assert set(families) == {*(f"L{number}" for number in range(33, 51)), "L54"}
    assert all(families.count(family) >= 3 for family in families)
