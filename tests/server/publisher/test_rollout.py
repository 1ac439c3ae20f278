"""Edits of pointers: rollout commands, and the consequences of withdrawn builds."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace
from tuf.api.metadata import Root, TargetFile, Targets

from server.core.errors import HeningError, ReleaseError
from server.core.names import decode_channel
from server.core.pointer import encode_pointer
from server.core.release import decode_release, decode_releases
from server.publisher.errors import PublishError
from server.publisher.published import Trust
from server.publisher.rollout import (
    follow_roles,
    newest_counter,
    plan_halt,
    plan_offer,
    plan_pause,
    plan_schedule,
)
from tests.server.ceremony import release

CHANNEL = decode_channel("armani/id/stable")
OTHER = "armani/eu/stable"


def catalogue(*entries):
    """Return releases and files by path from tuples (file, counter, changes)."""
    releases, files = {}, {}
    for name, counter, changes in entries:
        path = name if "/" in name else f"{CHANNEL}/{name}"
        releases[path] = decode_release(path, release(counter, **changes))
        files[path] = (100 + counter, f"{counter:064x}")
    return releases, files


def incremental(*sources, **changes):
    """Return the changes that make a release an incremental."""
    return {"type": "incremental", "source_builds": list(sources), **changes}


FULLS = [(f"{n}.zip", n, {}) for n in range(1, 6)]


def offer(counter, schedule=((100, 500),), current=None, entries=FULLS, now=100):
    """Plan an offer of `counter`."""
    return plan_offer(CHANNEL, counter, *catalogue(*entries), schedule, current, now)


def test_offer():
    """An offer has one step with the full package and its sorted incrementals."""
    entries = [
        ("a.zip", 2, {}),
        ("c.zip", 2, incremental("build-1")),
        ("b.zip", 2, incremental("build-0")),
        (f"{OTHER}/x.zip", 2, {}),
    ]
    pointer = offer(2, entries=entries)
    (step,) = pointer.steps
    assert [p.path for p in step.packages] == [f"{CHANNEL}/{n}.zip" for n in "abc"]
    assert [p.source_builds for p in step.packages] == [[], ["build-0"], ["build-1"]]
    assert (pointer.schedule, pointer.paused, pointer.halted) == ([(100, 500)], False, False)


def test_stepping_stones():
    """A release with a minimum is preceded by the newest release at or above that minimum."""
    entries = [
        ("1.zip", 1, {}),
        ("2.zip", 2, {"min_counter": 1}),
        ("3.zip", 3, {"min_counter": 1, "withdrawn": True}),
        ("5.zip", 5, {"min_counter": 2}),
    ]
    assert [step.counter for step in offer(5, entries=entries).steps] == [1, 2, 5]
    with pytest.raises(
        ReleaseError,
        match=r"no release from which .* be installed: it needs a full",
    ):
        offer(5, entries=entries[1:])


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([], "armani/id/stable has no release: sign one first.$"),
        ([("a.zip", 2, {"withdrawn": True})], "has no release"),
        ([(f"{OTHER}/a.zip", 2, {})], "Did you mean armani/eu/stable"),
        ([("a.zip", 2, {}), ("b.zip", 2, {})], "2 full packages"),
        ([("a.zip", 2, incremental("x"))], "no full package"),
        (
            [("a.zip", 2, {}), *[(f"{n}.zip", 2, incremental(f"x{n}")) for n in range(3)]],
            "more than 2 incrementals",
        ),
        (
            [("a.zip", 2, {}), ("b.zip", 2, incremental("x", min_counter=1))],
            "another min_counter",
        ),
    ],
)
def test_invalid_offers(entries, sentence):
    """An offer needs exactly one full package and consistent incrementals."""
    with pytest.raises(HeningError, match=sentence):
        offer(2, entries=entries)


def test_offer_names_the_last_complete_build():
    """An offer names the last build that was offered to all devices, if it is still listed.

    This is the replaced build if its share was 100 % by then, else the build that it named. A
    halted build is not named, nor a withdrawn one.
    """
    current = offer(2, schedule=((100, 500), (300, 1000)))
    earlier = replace(current, complete_before=1)
    for now, before, expected in (
        (299, current, UNSET),
        (300, current, 2),
        (300, replace(current, halted=True), UNSET),
        (299, earlier, 1),
        (300, earlier, 2),
        (300, replace(earlier, halted=True), 1),
    ):
        assert offer(3, current=before, now=now).complete_before == expected, (now, before)
    gone = [FULLS[0], ("2.zip", 2, {"withdrawn": True}), *FULLS[2:]]
    for entries in (gone, FULLS[2:]):
        assert offer(3, current=current, entries=entries, now=300).complete_before is UNSET


def test_last_complete_build_is_kept():
    """Schedules, pauses and halts keep the name of the last complete build."""
    pointer = replace(offer(3), complete_before=2)
    for after in (
        plan_schedule(CHANNEL, pointer, [(200, 1000)], 150),
        plan_pause(CHANNEL, pointer, {}, 150),
        plan_halt(CHANNEL, pointer, {}),
    ):
        assert after.complete_before == 2
        assert encode_pointer(after)["c"] == 2


def test_offered_counters_only_rise():
    """An offer with the same or a lower counter is refused, even after a halt."""
    current = offer(3)
    halted = plan_halt(CHANNEL, current, {})
    for pointer, words in ((current, "already offers"), (halted, "has halted")):
        for counter in (2, 3):
            with pytest.raises(PublishError, match=words):
                offer(counter, current=pointer)
        following = offer(4, current=pointer)
        assert (following.halted, following.steps[-1].counter) == (False, 4)


def test_newest_counter():
    """The newest release of a channel is the highest that is not withdrawn."""
    releases, _ = catalogue(*FULLS, ("9.zip", 9, {"withdrawn": True}), (f"{OTHER}/8.zip", 8, {}))
    assert newest_counter(CHANNEL, releases) == 5
    with pytest.raises(PublishError, match="has no release"):
        newest_counter(decode_channel("armani/id/beta"), releases)


def test_raised_share():
    """A new schedule keeps the share reached so far, and cannot reduce it."""
    pointer = offer(1, ((100, 10), (200, 500), (300, 1000)))
    later = plan_schedule(CHANNEL, pointer, [(400, 600)], 250)
    assert later.schedule == [(200, 500), (400, 600)]
    with pytest.raises(PublishError, match="has reached 50%, and"):
        plan_schedule(CHANNEL, pointer, [(260, 499)], 250)


def test_invalid_reasons_do_not_stop_a_halt():
    """A halt or pause drops invalid texts instead of failing; texts already public may stay."""
    pointer = offer(1)
    reason = {"en": "It drains.", "id": "a\u202eb", "zh-TW": "https://rom.example"}
    for plan in (plan_halt, lambda *given: plan_pause(*given, 150)):
        stopped = plan(CHANNEL, pointer, reason)
        assert (stopped.halted or stopped.paused, stopped.reason) == (True, {"en": "It drains."})
    older = replace(pointer, paused=True, reason=reason)
    halted = plan_halt(CHANNEL, older, reason | {"de": "a\u202ec"})
    assert (halted.halted, halted.reason) == (True, reason)
    assert plan_halt(CHANNEL, halted, {"de": "a\u202ec"}) is halted
    assert plan_schedule(CHANNEL, older, [(400, 1000)], 400).reason == {}


def test_pause_and_resume():
    """A pause keeps the share reached and drops later steps; a new schedule resumes the rollout."""
    pointer = offer(1, ((100, 10), (200, 500), (300, 1000)))
    paused = plan_pause(CHANNEL, pointer, {"en": "Looking into it."}, 250)
    assert paused.schedule == [(100, 10), (200, 500)]
    assert (paused.paused, paused.reason) == (True, {"en": "Looking into it."})
    assert paused.permille_at(10**9) == 500
    early = plan_pause(CHANNEL, pointer, {}, 50)
    assert early.permille_at(10**9) == 0
    resumed = plan_schedule(CHANNEL, paused, [(400, 1000)], 400)
    assert (resumed.paused, resumed.reason, resumed.permille_at(400)) == (False, {}, 1000)


def test_halt_is_final():
    """A halt can be repeated, and a halted pointer can be neither scheduled nor paused."""
    pointer = plan_pause(CHANNEL, offer(1), {"en": "Paused."}, 200)
    halted = plan_halt(CHANNEL, pointer, {"en": "It drains."})
    assert (halted.halted, halted.reason) == (True, {"en": "It drains."})
    assert plan_halt(CHANNEL, halted, {}) == halted
    again = plan_halt(CHANNEL, halted, {"en": "Again."})
    assert (again.halted, again.schedule, again.reason) == (True, halted.schedule, {"en": "Again."})
    with pytest.raises(PublishError, match="is halted for good"):
        plan_schedule(CHANNEL, halted, [(300, 1000)], 300)
    with pytest.raises(PublishError, match="is halted for good"):
        plan_pause(CHANNEL, halted, {}, 300)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "pause", "halt"]),
            st.integers(0, 300),
            st.lists(st.tuples(st.integers(0, 600), st.integers(0, 1000)), min_size=1, max_size=3),
        ),
        max_size=8,
    )
)
def test_share_never_falls(operations):
    """No sequence of operations reduces the share of an offer."""
    now, pointer = 1000, offer(1, ((900, 5), (1100, 100)))
    for name, elapsed, pairs in operations:
        before, now = pointer, now + elapsed
        schedule = [(now - 200 + start, permille) for start, permille in pairs]
        try:
            match name:
                case "set":
                    pointer = plan_schedule(CHANNEL, pointer, schedule, now)
                case "pause":
                    pointer = plan_pause(CHANNEL, pointer, {}, now)
                case _:
                    pointer = plan_halt(CHANNEL, pointer, {})
        except HeningError:
            assert pointer is before
        assert pointer.halted or not before.halted
        for moment in range(now, now + 1200, 50):
            assert pointer.permille_at(moment) >= before.permille_at(now)
        encode_pointer(pointer)


EXPIRES = datetime(2026, 9, 1, tzinfo=UTC)
DELTA = {"type": "incremental", "source_builds": ["build-1"]}
FULL, STEP, STONE = (f"{CHANNEL}/{name}.zip" for name in ("2-full", "2-step", "1-full"))
LISTED = {
    STONE: release(1),
    FULL: release(2, min_counter=1),
    STEP: release(2, min_counter=1, **DELTA),
}


def trust(listed):
    """Return a trust in which armani lists these releases, with the lowest counter as its floor."""
    targets = {
        path: TargetFile(100, {"sha256": f"{number:064x}"}, path, {"custom": custom})
        for number, (path, custom) in enumerate(sorted(listed.items()))
    }
    armani = Targets(version=1, expires=EXPIRES, targets=targets)
    floor = min((custom["counter"] for custom in listed.values()), default=3)
    armani.unrecognized_fields["custom"] = {"floor": floor, "schema": 1}
    return Trust(Root(), Targets(), {"armani": armani})


def pointer():
    """Return a pointer that offers counter 2, with counter 1 as a stepping stone."""
    role = trust(LISTED).roles["armani"]
    files = {path: (t.length, t.hashes["sha256"]) for path, t in role.targets.items()}
    return plan_offer(CHANNEL, 2, decode_releases(role), files, [(100, 500)], None, 100)


def follow(listed, current=None):
    """Return the pointer after a change of the role, or None if it is removed."""
    pointers = {CHANNEL.pointer_path: current or pointer()}
    return follow_roles(pointers, trust(listed), {"armani"}).get(CHANNEL.pointer_path)


def withdrawn(*paths):
    """Return the releases with those at `paths` withdrawn."""
    return {path: each | {"withdrawn": path in paths} for path, each in LISTED.items()}


def test_withdrawn_incremental_leaves_the_offer():
    """A withdrawn incremental leaves the offer, which continues with the full package."""
    paused = plan_pause(CHANNEL, pointer(), {"en": "Wait."}, 200)
    for before in (pointer(), paused):
        after = follow(withdrawn(STEP), before)
        assert [[each.path for each in step.packages] for step in after.steps] == [[STONE], [FULL]]
        assert (after.halted, after.paused) == (False, before.paused)
        assert (after.schedule, after.reason) == (before.schedule, before.reason)


def test_withdrawn_full_package_halts_the_offer():
    """A withdrawn full package halts the offer, in the final step or a stepping stone."""
    for paths in ((FULL,), (STONE,), (FULL, STEP)):
        after = follow(withdrawn(*paths))
        assert (after.halted, after.reason) == (True, {"en": "This release was withdrawn."})
        assert after.steps == pointer().steps


def test_withdrawn_build_is_not_the_last_complete_one():
    """A complete build is no longer named once it is withdrawn or unlisted."""
    before = replace(pointer(), steps=pointer().steps[1:], complete_before=1)
    gone = {path: each for path, each in LISTED.items() if path != STONE}
    for current in (before, replace(before, halted=True)):
        assert follow(LISTED, current).complete_before == 1
        for listed in (withdrawn(STONE), gone):
            assert follow(listed, current).complete_before is UNSET


def test_offered_builds_cannot_be_removed():
    """A build that is offered cannot leave its role, and the error says what to do.

    A halted pointer is removed if all its builds leave.
    """
    halted, newer = plan_halt(CHANNEL, pointer(), {}), {f"{CHANNEL}/3.zip": release(3)}
    rest = {path: LISTED[path] for path in (FULL, STEP)}
    for listed, current in ((rest, pointer()), (rest, halted), (newer, pointer())):
        with pytest.raises(
            PublishError, match=r"still offers \S+-full\.zip.*roll out a newer build"
        ):
            follow(listed, current)
    assert follow(newer, halted) is None


def test_pointers_that_stay_or_are_removed():
    """A pointer stays if its builds are unchanged, or if it is already halted.

    It is removed if the role is empty, as for a retired model, or if a reset removes a build above
    the floor.
    """
    halted = plan_halt(CHANNEL, pointer(), {"en": "It drains."})
    assert follow(LISTED) == pointer()
    assert follow(withdrawn(FULL, STEP), halted) == halted
    for listed in ({}, {STONE: LISTED[STONE]}, {STONE: LISTED[STONE], STEP: LISTED[STEP]}):
        assert follow(listed) is None
