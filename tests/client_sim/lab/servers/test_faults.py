"""Faults of servers: the poll may end early, requests nothing else, and the next one succeeds."""

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
from tests.cases import case

STRUCK = 2  # the third poll has the fault
HISTORY = (
    Publication("a release before", release(1000), connection=1),
    *(
        Publication("news of all kinds", change, connection=STRUCK)
        for change in (release(1000), renew_tables, renew_content, renew_root, rotate("latest"))
    ),
)
FAULTS = make_faults(Repository())
OF_PACKS = {fault.name for fault in PACKS}


HARMLESS = {
    "a reset after the answer, at proof",
    "a field with a break, at timestamp",
    "a field with a break, at latest",
    "the first timestamp again",
    "everything as at first",
}
"""Faults with which a poll succeeds: a late reset, a folded header, an outdated server."""


def is_harmless(name):
    """Return whether a poll succeeds, possibly with a warning; without tables it does."""
    is_tables = name.endswith(("as tables", "'s tables", "tables again", "at tables"))
    return name in HARMLESS or is_tables


def judge(phone, fault):
    """Return findings about a phone's requests and their times."""
    seen = phone.world.observation()
    findings = [*judge_schedule(seen)]
    if fault.is_reached:
        findings += [*phone.violations(), *judge_egress(seen, phone.world.public)]
    return findings


def test_faults_of_packs_are_warnings(make_phone, repository):
    """The poll does not fail; the next one requests everything that is missing."""
    for fault in PACKS:
        phone = make_phone(fault.at({fault.poll})(repository.serve()))
        phone.poll(3)
        with case(fault.name):
            assert phone.outcomes[0].warnings
            assert [each.failure for each in phone.outcomes] == [None] * 3
            assert len(phone.asked[1]) > 2
            assert (len(phone.asked[2]), phone.outcomes[1].warnings) == (2, ())
            assert judge(phone, fault) == []


def complain(phone, usual, name):
    """Return what is wrong with a phone that had a fault in its third poll of four, or None."""
    failed = [place for place, each in enumerate(phone.outcomes) if each.failure is not None]
    if failed != ([] if is_harmless(name) else [STRUCK]):
        return f"the polls {failed} failed"
    asked = phone.asked[STRUCK]
    if not set(asked) <= set(usual.asked[STRUCK]) or len(asked) > len(usual.asked[STRUCK]):
        return f"asked {asked}"
    if phone.outcomes[-1].reason != usual.outcomes[-1].reason:
        return f"the last poll differs: {phone.outcomes[-1].reason}"
    # The number of signed timestamps depends on the number of requests.
    if {*phone.outcomes[-1].versions[2:]} != {*usual.outcomes[-1].versions[2:]}:
        return f"holds {phone.outcomes[-1].versions}"
    return None


def test_phone_recovers_from_each_fault(make_phone, repository):
    """The poll with the fault fails and sends no more than usual; the next poll succeeds."""
    usual = make_phone(repository.serve(HISTORY))
    usual.poll(4)
    found = {}
    for fault in FAULTS:
        if fault.name not in OF_PACKS:
            phone = make_phone(fault.at({STRUCK})(repository.serve(HISTORY)))
            phone.poll(4)
            complaint = complain(phone, usual, fault.name) or judge(phone, fault)
            if complaint:
                found[fault.name] = complaint
    assert found == {}


def test_each_request_has_faults_of_each_kind():
    """Each fault has a unique name."""
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    for word in (
        *(*PLACES, "content", "proof of tables", "parts of tables", "parts of content"),
        *("in time", "reset", "refused", "resolve", "404", "503", "half a body", "wrong signature"),
        *("wrong hash", "first snapshot again", "first latest again", "expired"),
        *("first proof again", "bomb", "deep"),
    ):
        assert any(word in name for name in names), word


def test_each_request_of_a_poll_is_a_place(make_phone, repository):
    """If everything is new: metadata, tables, content and their packs."""
    phone = make_phone(repository.serve(HISTORY))
    phone.poll(STRUCK + 1)
    asked = phone.asked[STRUCK]
    places = [[p for p in PLACES if is_at(p, path)] for path in asked]
    first = ("root", "root", "timestamp", "snapshot", "targets", "latest", "proof", "tables")
    assert places == [*([place] for place in first), *[[]] * 5]
    public = [[p for p in PACK_PLACES if is_at(p, path)] for path in asked]
    assert public == [
        *[[]] * 8,
        *(["the proof of tables"], ["content"], ["the proof of content"]),
        ["parts of tables", "part 0 of emergency"],
        ["parts of content", "part 0 of notices"],
    ]


def test_slow_answer_takes_time(make_phone, repository):
    """The phone gives up an answer after an hour, and draws its next poll from then."""
    fault = next(f for f in FAULTS if f.name == "an answer after an hour, at timestamp")
    phone = make_phone(fault.at({0})(repository.serve()))
    start = phone.inner.now()
    outcome = phone.poll()
    assert "too long" in str(outcome.failure)
    assert start + 3_600 + 14_400 <= phone.inner.now() <= start + 3_600 + 28_800


def test_fault_of_a_name_counts_as_a_connection(make_phone, repository):
    """A poll whose name is not resolved makes no request; the next poll has no fault."""
    fault = next(f for f in FAULTS if "resolve" in f.name)
    phone = make_phone(fault.at({1})(repository.serve()))
    phone.poll(3)
    assert [each.failure is None for each in phone.outcomes] == [True, False, True]
    assert phone.asked[1] == ()
