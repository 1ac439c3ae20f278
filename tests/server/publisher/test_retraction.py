"""Builds withdrawn by offline keys leave the pointers, or halt them."""

from datetime import UTC, datetime

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from tuf.api.metadata import Root, TargetFile, Targets

from server.core.names import decode_channel
from server.core.release import decode_releases
from server.publisher.errors import PublishError
from server.publisher.published import Trust
from server.publisher.rollout import follow_roles, plan_halt, plan_offer, plan_pause
from tests.server.ceremony import release

CHANNEL = decode_channel("armani/id/stable")
EXPIRES = datetime(2026, 9, 1, tzinfo=UTC)
DELTA = {"type": "incremental", "source_builds": ["build-1"]}
FULL, STEP, STONE = (f"{CHANNEL}/{name}.zip" for name in ("2-full", "2-step", "1-full"))
LISTED = {
    STONE: release(1),
    FULL: release(2, min_counter=1),
    STEP: release(2, min_counter=1, **DELTA),
}


def trust(listed):
    """Return a trust in which armani lists these releases, and its floor is the lowest of them."""
    targets = {
        path: TargetFile(100, {"sha256": f"{number:064x}"}, path, {"custom": custom})
        for number, (path, custom) in enumerate(sorted(listed.items()))
    }
    armani = Targets(version=1, expires=EXPIRES, targets=targets)
    floor = min((custom["counter"] for custom in listed.values()), default=3)
    armani.unrecognized_fields["custom"] = {"floor": floor, "schema": 1}
    return Trust(Root(), Targets(), {"armani": armani})


def pointer():
    """Return the pointer that offers counter 2 over the stone 1."""
    role = trust(LISTED).roles["armani"]
    files = {path: (t.length, t.hashes["sha256"]) for path, t in role.targets.items()}
    return plan_offer(CHANNEL, 2, decode_releases(role), files, [(100, 500)], None, 100)


def follow(listed, current=None):
    """Return the one pointer's next value, or None if it ends."""
    pointers = {CHANNEL.pointer_path: current or pointer()}
    return follow_roles(pointers, trust(listed), {"armani"}).get(CHANNEL.pointer_path)


def withdrawn(*paths):
    """Return the releases with some withdrawn."""
    return {path: each | {"withdrawn": path in paths} for path, each in LISTED.items()}


def test_nothing_taken_back_is_no_change():
    """The pointer is unchanged."""
    assert follow(LISTED) == pointer()


def test_a_withdrawn_incremental_leaves_its_step():
    """The offer continues with the full package, paused or not."""
    paused = plan_pause(CHANNEL, pointer(), {"en": "Wait."}, 200)
    for before in (pointer(), paused):
        after = follow(withdrawn(STEP), before)
        assert [[each.path for each in step.packages] for step in after.steps] == [[STONE], [FULL]]
        assert (after.halted, after.paused) == (False, before.paused)
        assert (after.schedule, after.reason) == (before.schedule, before.reason)


@pytest.mark.parametrize("paths", [(FULL,), (STONE,), (FULL, STEP)])
def test_a_withdrawn_full_package_halts(paths):
    """Of the final step or of a stone."""
    after = follow(withdrawn(*paths))
    assert (after.halted, after.reason) == (True, {"en": "This release was withdrawn."})
    assert after.steps == pointer().steps


def test_a_withdrawn_build_is_no_longer_named_as_complete():
    """Nor one that left the role; a halted pointer loses it, too."""
    before = replace(pointer(), steps=pointer().steps[1:], complete_before=1)
    gone = {path: each for path, each in LISTED.items() if path != STONE}
    for current in (before, replace(before, halted=True)):
        assert follow(LISTED, current).complete_before == 1
        for listed in (withdrawn(STONE), gone):
            assert follow(listed, current).complete_before is UNSET


def test_what_was_halted_stays_as_it_is():
    """With its own reason and its packages."""
    halted = plan_halt(CHANNEL, pointer(), {"en": "It drains."})
    assert follow(withdrawn(FULL, STEP), halted) == halted


def test_builds_that_are_offered_cannot_leave():
    """The error says what to do first; a halt of a listed build does not help."""
    rest = {path: LISTED[path] for path in (FULL, STEP)}
    for current in (pointer(), plan_halt(CHANNEL, pointer(), {})):
        with pytest.raises(PublishError, match=r"still offers \S+1-full\.zip.*roll out a newer"):
            follow(rest, current)


def test_a_halted_pointer_ends_with_the_builds_that_it_names():
    """They are offered to no phone, and no other change of it is possible."""
    newer = {f"{CHANNEL}/3.zip": release(3)}
    assert follow(newer, plan_halt(CHANNEL, pointer(), {})) is None
    with pytest.raises(PublishError, match="roll out a newer build there first"):
        follow(newer)


def test_a_retired_model_has_no_pointer():
    """Its role is empty, so its phones find nothing."""
    assert follow({}) is None


def test_a_reset_ends_a_pointer_to_what_it_took_out():
    """The build is above the floor and not listed; it need not be halted first."""
    assert follow({STONE: LISTED[STONE]}) is None
    assert follow({STONE: LISTED[STONE], STEP: LISTED[STEP]}) is None
