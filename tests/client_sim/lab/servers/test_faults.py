"""Faults: a poll may end early by each of them; it asks for nothing else, and the next gets on."""

import pytest

from client_sim.lab.oracles.judging import judge_egress, judge_schedule
from client_sim.lab.servers.contents import (
    Publication,
    release,
    renew_content,
    renew_root,
    renew_tables,
    rotate,
)
from client_sim.lab.servers.fault import PACK_PLACES, PLACES, is_at
from client_sim.lab.servers.faults_metadata import PACKS, make_faults
from client_sim.lab.servers.repository import Repository

STRUCK = 2
HISTORY = (
    Publication("a release before", release(1000), connection=1),
    *(
        Publication("news of all kinds", change, connection=STRUCK)
        for change in (
            release(1000),
            renew_tables,
            renew_content,
            renew_root,
            rotate("latest"),
        )
    ),
)
FAULTS = make_faults(Repository())
OF_PACKS = {fault.name for fault in PACKS}
GROUPS = {
    "packs": tuple(OF_PACKS),
    "network": ("in time", "reset", "hang-up", "twenty", "after a", "resolve", "silent", "refused"),
    "statuses": tuple(f"{status} " for status in range(400, 600))
    + tuple(f"{status}," for status in range(400, 600)),
    "metadata": (" as ",),
    "truths": ("the first", "stranger", "in place of", "proof", "checkpoint", "expired", "as at"),
    "answers": ("",),
}
# What a phone gets along with: the connection breaks behind the last answer, a field is folded as
# in old times, one of several servers is behind. Tables that cannot be trusted, or do not come, are
# no reason to fail either.
HARMLESS = {
    "a reset after the answer, at proof",
    "a field with a break, at timestamp",
    "a field with a break, at latest",
    "the first timestamp again",
    "everything as at first",
}


def group_of(fault):
    """Give the first group of which a part is in the name."""
    return next(
        group for group, parts in GROUPS.items() if any(part in fault.name for part in parts)
    )


def is_harmless(name):
    """Tell whether a poll may go on, with a warning at most."""
    is_tables = name.endswith(("as tables", "'s tables", "tables again", "at tables"))
    return name in HARMLESS or name in OF_PACKS or is_tables


def test_a_fault_of_packs_is_told_and_made_good(make_phone, repository):
    """The poll is no failure and says what it lacks; the next one asks for all of that again."""
    for fault in PACKS:
        phone = make_phone(fault.at({fault.poll})(repository.serve()))
        phone.poll(3)
        assert phone.outcomes[0].warnings, fault.name
        assert [each.failure for each in phone.outcomes] == [None] * 3, fault.name
        assert len(phone.asked[1]) > 2, fault.name
        assert (len(phone.asked[2]), phone.outcomes[1].warnings) == (2, ()), fault.name


def complain(phone, usual, name):
    """Say what is wrong with a phone that met a fault at its third poll of four, or None."""
    failed = [place for place, each in enumerate(phone.outcomes) if each.failure is not None]
    if failed != ([] if is_harmless(name) else [STRUCK]):
        return f"the polls {failed} failed"
    asked = phone.asked[STRUCK]
    if not set(asked) <= set(usual.asked[STRUCK]) or len(asked) > len(usual.asked[STRUCK]):
        return f"asked {asked}"
    if phone.outcomes[-1].reason != usual.outcomes[-1].reason:
        return f"did not get on: {phone.outcomes[-1].reason}"
    # How often a timestamp was signed depends on how often it was asked for.
    if {*phone.outcomes[-1].versions[2:]} != {*usual.outcomes[-1].versions[2:]}:
        return f"holds {phone.outcomes[-1].versions}"
    return None


@pytest.mark.parametrize("group", GROUPS)
def test_a_phone_gets_over_each_fault(make_phone, repository, group):
    """It fails at the poll that a fault strikes, asks for no more than usual, and gets on."""
    usual = make_phone(repository.serve(HISTORY))
    usual.poll(4)
    found = {}
    faults = [fault for fault in FAULTS if group_of(fault) == group]
    for fault in faults:
        phone = make_phone(fault.at({STRUCK})(repository.serve(HISTORY)))
        phone.poll(4)
        findings = [*judge_schedule(phone.world.observation())]
        if fault.is_reached:
            findings += phone.violations()
            findings += judge_egress(phone.world.observation(), phone.world.public)
        complaint = complain(phone, usual, fault.name) or findings
        if complaint:
            found[fault.name] = complaint
    assert found == {}
    assert len(faults) > 10


def test_names_are_unique_and_each_place_is_struck():
    """There is a fault at every request of a poll, and of every kind of the programme."""
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    for place in (*PLACES, "content", "proof of tables", "parts of tables", "parts of content"):
        assert any(place in name for name in names)
    for kind in (
        "in time",
        "reset",
        "refused",
        "resolve",
        "404",
        "503",
        "half a body",
        "wrong signature",
        "wrong hash",
        "first snapshot again",
        "first latest again",
        "expired",
        "first proof again",
        "bomb",
        "deep",
    ):
        assert any(kind in name for name in names), kind


def test_places_are_the_requests_of_a_poll(make_phone, repository):
    """Each request of a poll that finds all new is at one place, or is one of public content."""
    phone = make_phone(repository.serve(HISTORY))
    phone.poll(STRUCK + 1)
    places = [[p for p in PLACES if is_at(p, path)] for path in phone.asked[STRUCK]]
    assert places == [
        ["root"],
        ["root"],
        ["timestamp"],
        ["snapshot"],
        ["targets"],
        ["latest"],
        ["proof"],
        ["tables"],
        *[[]] * 5,
    ]
    public = [[p for p in PACK_PLACES if is_at(p, path)] for path in phone.asked[STRUCK]]
    assert public == [
        *[[]] * 8,
        ["the proof of tables"],
        ["content"],
        ["the proof of content"],
        ["parts of tables", "part 0 of emergency"],
        ["parts of content", "part 0 of notices"],
    ]


def test_a_slow_answer_takes_virtual_time(make_phone, repository):
    """An hour's wait is an hour for the phone, which gives up; its next poll is drawn from then."""
    fault = next(f for f in FAULTS if f.name == "an answer after an hour, at timestamp")
    phone = make_phone(fault.at({0})(repository.serve()))
    start = phone.inner.now()
    outcome = phone.poll()
    assert "too long" in str(outcome.failure)
    assert start + 3_600 + 14_400 <= phone.inner.now() <= start + 3_600 + 28_800


def test_a_name_that_fails_uses_up_its_connection(make_phone, repository):
    """Faults count connections that were never made, so that the next poll is another one."""
    fault = next(f for f in FAULTS if "resolve" in f.name)
    phone = make_phone(fault.at({1})(repository.serve()))
    phone.poll(3)
    assert [each.failure is None for each in phone.outcomes] == [True, False, True]
    assert phone.asked[1] == ()
