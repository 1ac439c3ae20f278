import dataclasses

from client_sim.device.choose import Offer, decide_update
from client_sim.device.pointer import decode_pointer
from client_sim.world import BuildFacts
from tests.cases import case
from tests.client_sim.device.repository_simulator import SOURCE, START, make_pointer, make_step

RUNNING = BuildFacts(SOURCE, "1", 1, START - 10, "2025-12-05")
SECRET = bytes(range(32))


def _link(name, *sources):
    return {"p": f"armani/id/stable/{name}.zip", "z": 7, "x": "0" * 64, "b": list(sources)}


def _decide(steps, *, running=RUNNING, floor=1, failed=(), unusable=(), retry=False, **members):
    pointer = decode_pointer("latest/armani/id/stable", make_pointer(steps, **members))
    return decide_update(
        pointer, running, floor, SECRET, START, failed, unusable, retry_failed=retry
    )


def _plan(steps, **given):
    return _decide(steps, **given).offer


def _full(counter, **changes):
    return make_step(counter, [_link(f"full-{counter}")], **changes)


def test_a_phone_on_the_newest_build_is_up_to_date():
    """A halt of the build that the phone already runs is not reported."""
    running = dataclasses.replace(RUNNING, counter=2)
    decision = _decide([_full(2)], h=True, running=running, floor=2)
    assert decision.reason == "Build 2 is the newest; there is nothing to install."
    assert not decision.is_halted


def test_share_admits_buckets_below_it():
    """Build 2's bucket for the secret 00..1f is 840, so that a share of 841 admits the phone.

    A pause keeps the share, and its text is shown without control characters. On an upgrade path
    the bucket of the final step counts: 814 for build 3.
    """
    for permille, is_in in ((840, False), (841, True), (0, False), (1000, True)):
        for is_paused in (False, True):
            offer = _plan([_full(2)], r=[[START, permille]], p=is_paused)
            assert (offer is not None) == is_in
    decision = _decide([_full(2)], r=[[START, 840]], p=True, t={"en": "We look\x1b[2J\ninto it."})
    assert "paused (We look [2J into it.)" in decision.reason
    steps = [_full(2), _full(3, m=2)]
    assert _plan(steps, r=[[START, 814]]) is None
    assert _plan(steps, r=[[START, 815]]).counter == 2


def test_stepping_stones():
    """The offer is the last step that the floor allows."""
    steps = [_full(2), _full(4, m=2), _full(6, m=4)]
    for floor, counter in ((1, 2), (2, 4), (3, 4), (5, 6)):
        offer = _plan(steps, floor=floor)
        assert (offer.counter, offer.final_counter) == (counter, 6)
    assert _plan([_full(2), _full(3)]).counter == 3


def test_the_incremental_of_the_running_build_is_preferred():
    """The first incremental from the running build is offered, else the full package."""
    step = make_step(2, [_link("full"), _link("other", "x"), _link("fits", "y", SOURCE)])
    offer = _plan([step])
    assert (offer.path, offer.type) == ("armani/id/stable/fits.zip", "incremental")
    assert offer.source_builds == ("y", SOURCE)
    for other in ("z", SOURCE[:-1], SOURCE + "x", SOURCE.upper()):
        running = dataclasses.replace(RUNNING, fingerprint=other)
        assert _plan([step], running=running).type == "full"


def test_failed_build_blocks_only_its_own_step():
    """A failed build is offered again only on request, and blocks no step before it."""
    steps = [_full(2), _full(3, m=2)]
    assert "Build 2 did not start" in _decide(steps, failed=(2,)).reason
    assert _plan(steps, failed=(3,)).counter == 2
    assert _plan([_full(3)], failed=(2,)).counter == 3
    for failed, sentence in (
        ((2,), "Build 2 did not start on this phone, and is tried once more."),
        ((), "Build 2 has not failed to start on this phone."),
    ):
        decision = _decide([_full(2)], failed=failed, retry=True)
        assert decision.offer.counter == 2
        assert {check.name: check.sentence for check in decision.checks}["failed"] == sentence


def test_build_that_broke_after_confirmation():
    """A build at the floor that no longer runs is not offered again, not even on request."""
    decision = _decide([_full(2)], floor=2, failed=(2,), retry=True)
    assert decision.offer is None
    assert "Build 2 was confirmed on this phone before build 1 came back" in decision.reason
    newest = "Build 1 is the newest; there is nothing to install."
    assert _decide([_full(1)], floor=1).reason == newest
    assert _decide([_full(3)], floor=2, failed=(2,)).offer.counter == 3


RULES = ["pointer", "newer", "halted", "share", "step", "forward", "failed", "package"]


def test_an_offer_has_passed_every_rule():
    """An offer has passed every rule of FORMATS section 4, in the page's order.

    An equal build date and patch level are accepted.
    """
    decision = _decide([_full(2, t=RUNNING.post_timestamp, l=RUNNING.security_patch_level)])
    assert [check.name for check in decision.checks] == RULES
    assert all(check.passed for check in decision.checks)
    assert all(check.sentence.endswith(".") for check in decision.checks)
    path = "armani/id/stable/full-2.zip"
    offer = Offer(path, 7, "0" * 64, "full", 2, START, "2026-01-05", 0, (), final_counter=2)
    assert _plan([_full(2)]) == offer


def test_first_failed_rule_gives_the_reason():
    """The rules before it passed, and the rules after it are not checked."""
    for rule, changes in (
        ("halted", {"h": True}),
        ("newer", {"floor": 2}),
        ("newer", {"floor": 3}),
        ("share", {"r": [[START, 840]]}),
        ("share", {"r": [[START + 1, 1000]]}),
        ("step", {"steps": [_full(6, m=4)]}),
        ("forward", {"steps": [_full(2, l="2025-12-04")]}),
        ("forward", {"steps": [_full(2, t=START - 11)]}),
        ("failed", {"failed": (2,)}),
    ):
        with case(rule, changes):
            decision = _decide(**{"steps": [_full(2)], **changes})
            assert decision.offer is None
            *before, last = decision.checks
            assert [check.name for check in decision.checks] == RULES[: RULES.index(rule) + 1]
            assert all(check.passed for check in before)
            assert not last.passed
            assert decision.reason == last.sentence
            assert decision.leads_back == (rule == "forward")
            assert decision.is_halted == (rule == "halted")


def test_sentences_of_the_checks():
    """Sentences name the announced builds, the phone's bucket and the stepping stone.

    The bucket 814 for build 3 is calculated in FORMATS section 4.
    """
    sentences = {c.name: c.sentence for c in _decide([_full(2), _full(3, m=2)]).checks}
    assert sentences["pointer"] == "armani/id/stable leads to the builds 2, 3."
    assert sentences["share"].endswith("this one is among them, at place 814.")
    assert sentences["step"] == "Build 2 comes next, as a stepping stone to build 3."
    decision = decide_update(None, RUNNING, 1, SECRET, START, ())
    assert [(check.name, check.passed) for check in decision.checks] == [("pointer", False)]
    assert decision.offer is None


def test_unusable_incrementals_are_skipped():
    """The next incremental from the running build follows, and then the full package."""
    links = [
        _link("full"),
        {**_link("first", SOURCE), "x": "1" * 64},
        {**_link("second", SOURCE), "x": "2" * 64},
    ]
    step = make_step(2, links)
    assert _decide([step]).offer.sha256 == "1" * 64
    assert _decide([step], unusable=["1" * 64]).offer.sha256 == "2" * 64
    decision = _decide([step], unusable=["2" * 64, "1" * 64])
    assert decision.offer.type == "full"
    assert "of no use" in decision.checks[-1].sentence
    assert _decide([_full(2)], unusable=["0" * 64]).offer.type == "full"
