import copy
from datetime import UTC, datetime

import pytest

from server.core.names import Channel
from signer.proposal.role_review import describe_releases
from signer.release.plan import ReleaseRequest, plan_release
from signer.signing import load_delegated, load_trusted

FULL, STEP = "armani/id/stable/armani-first.zip", "armani/id/stable/armani-second.zip"


@pytest.fixture
def empty(office):
    """Return the model's first version."""
    return load_delegated(office.folder, load_trusted(office.folder, None), "armani")[1]


@pytest.fixture
def listed(empty, facts, now):
    """Return the model's second version, which lists one build."""
    order = ReleaseRequest(Channel("armani", "id", "stable"), changelog={"en": "New."})
    return plan_release(order, [facts["first"]], empty, now, now)


def test_a_new_release_is_told_whole(empty, listed, facts) -> None:
    """Type, build, counter, patch level and length, and members without words."""
    first = facts["first"]
    changes, warnings = describe_releases(empty, listed)
    built = datetime.fromtimestamp(first.post_timestamp, UTC)
    release, text = changes
    assert release == (
        f"Adds {FULL}: full update to {first.fingerprint}, counter 1, built {built:%F %T} UTC,"
        f" patch level {first.security_patch_level}, SDK {first.sdk_level}; {first.length} bytes,"
        f" sha256 {first.sha256}."
    )
    assert text == f"Changelog of {FULL} in en: \u201cNew.\u201d"
    assert warnings == []
    later = edit(listed, price=3)
    later.targets[FULL].unrecognized_fields["more"] = 1
    sentence = describe_releases(empty, later)[0][0]
    assert sentence.endswith(", with members that have no words here: price, more.")


def edit(listed, **members):
    """Return the next version with members of the release changed."""
    later = copy.deepcopy(listed)
    later.targets[FULL].unrecognized_fields["custom"].update(members)
    return later


def test_a_withdrawal_is_warned_of(listed) -> None:
    """It is for ever; downloads may go on until a drain ends, and only that may change."""
    changes, warnings = describe_releases(listed, edit(listed, withdrawn=True))
    assert changes == [f"Withdraws {FULL} (counter 1), for ever."]
    assert warnings == [
        f"{FULL} cannot be offered again once it is withdrawn.",
        "Every release of the model is withdrawn.",
    ]
    drained = edit(listed, withdrawn=True, drain_until=1_780_920_000)
    (sentence,) = describe_releases(listed, drained)[0]
    assert sentence.startswith(f"Withdraws {FULL} (counter 1), for ever; ")
    assert sentence.endswith(" are served until 2026-06-08 12:00:00 UTC.")
    shorter = edit(drained, drain_until=1_780_315_200)
    (sentence,) = describe_releases(drained, shorter)[0]
    assert sentence.startswith(f"Changes how long {FULL} is served; ")
    assert sentence.endswith(" are served until 2026-06-01 12:00:00 UTC.")


def test_a_changelog_is_shown(listed) -> None:
    """Whole, on one line, with what does not print escaped; no change hides another."""
    later = edit(listed, changelog={"en": "Newer.\n\u202etxt", "id": "Baru."})
    assert describe_releases(listed, later)[0] == [
        f"Changelog of {FULL} in en: \u201cNewer.\\u{{a}}\\u{{202e}}txt\u201d",
        f"Changelog of {FULL} in id: \u201cBaru.\u201d",
    ]
    assert describe_releases(listed, edit(listed, changelog={}))[0] == [
        f"Removes the changelog of {FULL} in en."
    ]
    later = edit(listed, withdrawn=True, changelog={"en": "Bad."}, price=3)
    later.targets[FULL].unrecognized_fields["more"] = 1
    assert describe_releases(listed, later)[0] == [
        f"Withdraws {FULL} (counter 1), for ever.",
        f"Changelog of {FULL} in en: \u201cBad.\u201d",
        f"Changes members of {FULL} that have no words here.",
    ]


def test_what_goes_is_told(listed, empty) -> None:
    """A path that is no longer listed, and what cannot join again; a renewal has no changes."""
    changes, warnings = describe_releases(listed, empty)
    assert changes == [f"No longer lists {FULL}, for ever."]
    assert warnings == ["The model lists nothing any more: its phones are offered nothing."]
    later = copy.deepcopy(empty)
    later.unrecognized_fields["custom"] = {"floor": 2, "schema": 1}
    assert describe_releases(listed, later)[0] == [
        f"No longer lists {FULL}, for ever.",
        "No build below counter 2 can be listed from then on.",
    ]
    later = copy.deepcopy(listed)
    later.unrecognized_fields["custom"] = {"floor": 0, "floor_time": 4_102_444_800, "schema": 1}
    assert describe_releases(listed, later)[0] == [
        "No build made up to 2100-01-01 00:00:00 UTC can be listed anew from then on."
    ]
    assert describe_releases(listed, listed) == ([], [])
