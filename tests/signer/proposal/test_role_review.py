"""The review of packs and releases before they are signed."""

import copy
import hashlib
from datetime import UTC, datetime

import pytest

from server.core.names import Channel
from signer.bundle_writer import Blob
from signer.proposal.document import Change
from signer.proposal.propose import propose_change
from signer.proposal.review import list_unreviewed, review_transition
from signer.proposal.role_review import describe_packs, describe_releases
from signer.release.plan import ReleaseRequest, plan_release
from signer.signing import load_delegated, load_trusted
from tests.cases import case
from tests.server.core.content.samples import NEWS, entries_of, jpeg, make_pack_role, pack

DAY = 86_400
ENTRIES = (
    "The entries of notices 1 are not in the proposal: compare its folder with it by `content"
    " review`, which lists added, changed and removed entries."
)
NONE = "a phone outside the share of notices 1 has none until the rollout reaches it."
FETCHED = "bytes that every phone fetches."
SHARES = (
    "notices 1 is used by 10.5% of phones from 1970-01-02 00:00:00 UTC, then 100% of phones from"
    " 1970-01-03 00:00:00 UTC."
)


def content(entries=None, **changes):
    """Return a role content with a changed pack of notices."""
    role, _ = make_pack_role(
        "content", {"notices": entries or {"a": NEWS}}, packs={"notices": pack(**changes)}
    )
    return role


def test_review_of_first_pack() -> None:
    """Kind, version, title, size, source, dates and share are shown."""
    after = content(start=DAY, end=2 * DAY, rollout=[[DAY, 105], [2 * DAY, 1000]])
    data = after.targets["content/notices/00.xz"].length
    assert describe_packs("content", None, after) == (
        [
            f"Adds the pack notices 1, “A pack”: 1 of 1 parts change, {data} {FETCHED}",
            "Source of notices 1: “hand-made” “1”, licence “CC0-1.0”.",
            "notices 1 is used from 1970-01-02 00:00:00 UTC until 1970-01-03 00:00:00 UTC.",
            SHARES,
            "Links may lead to example.com from then on.",
        ],
        [ENTRIES, f"There is no pack of notices yet: {NONE}"],
    )


def test_warning_of_phones_without_pack() -> None:
    """Phones outside the share may have no pack if the former one is withdrawn or ends."""
    for before, after, sentence in (
        ({}, {"rollout": [[0, 10]]}, None),
        ({"withdrawn": [1]}, {"withdrawn": [1]}, None),
        ({"withdrawn": [1]}, {"rollout": [[0, 10]], "withdrawn": [1]}, "1 is withdrawn: a phone"),
        ({}, {"rollout": [[0, 10]], "withdrawn": [1]}, "notices 1 is withdrawn: a phone outside"),
        (
            {"end": 9},
            {"rollout": [[0, 10]]},
            "notices 1 ends on 1970-01-01 00:00:09 UTC: from then",
        ),
        ({"end": 9}, {"rollout": [[0, 10], [9, 1000]]}, None),
        (
            {"end": 9},
            {"rollout": [[0, 10], [10, 1000]]},
            "the share of notices 2 uses an earlier one",
        ),
        ({"end": 9}, {"rollout": [[9, 1000]], "start": 20}, None),
    ):
        with case(before):
            _, warnings = describe_packs("content", content(**before), content(version=2, **after))
            messages = [each for each in warnings if "outside the share" in each]
            assert len(messages) == (sentence is not None)
            assert sentence is None or sentence in messages[0]


def test_review_of_next_pack() -> None:
    """Only changed parts are counted; new and changed pictures are named."""
    before, _ = make_pack_role("tables", {"zones": entries_of("zones")})
    more = entries_of("zones") | {"Asia/Makassar": {"link": "Asia/Jakarta"}}
    after, _ = make_pack_role("tables", {"zones": more}, packs={"zones": pack(2)})
    changes, warnings = describe_packs("tables", before, after)
    assert changes[0].startswith("Replaces zones 1 by zones 2, “A pack”: 1 of 16 parts ch")
    assert warnings == [ENTRIES.replace("notices 1", "zones 2")]
    wallpapers = entries_of("wallpapers")
    before, _ = make_pack_role("content", {"wallpapers": wallpapers})
    more = wallpapers | {"hills": wallpapers["waves"]}
    after, _ = make_pack_role(
        "content", {"wallpapers": more}, {"wallpapers": pack(2)}, {"hills": jpeg(64, 80)}
    )
    changes, _ = describe_packs("content", before, after)
    assert changes[-1] == "Pictures that are new or changed: content/wallpapers/hills.jpg."


def test_review_of_dates_and_withdrawal() -> None:
    """New end, share and hosts are shown; a withdrawal has a warning."""
    other = content(end=DAY, rollout=[[0, 500]])
    other.unrecognized_fields["custom"]["hosts"] = []
    assert describe_packs("content", content(), other)[0] == [
        "notices 1 is used until 1970-01-02 00:00:00 UTC from then on.",
        "notices 1 is used by 50% of phones from 1970-01-01 00:00:00 UTC.",
        "Links may lead to no host from then on.",
    ]
    assert describe_packs("content", content(end=DAY), content())[0] == [
        "notices 1 is used without end from then on."
    ]
    changes, warnings = describe_packs("content", content(), content(withdrawn=[1]))
    assert changes == ["Withdraws notices 1, permanently."]
    assert "notices 1 cannot be used again" in warnings[0]
    changes, _ = describe_packs("content", None, content(withdrawn=[1]))
    assert "Withdraws notices 1, permanently." in changes
    older = content(version=3, withdrawn=[1]), content(version=3, withdrawn=[1, 2])
    changes, warnings = describe_packs("content", *older)
    assert changes == ["Withdraws notices 2, permanently."]
    assert "notices 2 cannot be used again" in warnings[0]


def test_unknown_members_of_packs() -> None:
    """Unknown members of packs and targets are named."""
    odd = content(shops=1)
    odd.unrecognized_fields["custom"]["more"] = 1
    odd.targets["content/notices/00.xz"].unrecognized_fields["custom"]["why"] = 1
    found = list_unreviewed(content(), odd, is_content=True)
    assert found == ["content/notices/00.xz.custom.why", "custom.more", "notices.shops"]


def test_review_of_content_proposal(team, tmp_path) -> None:
    """The review of a proposal describes its packs."""
    role, files = make_pack_role("content", {"notices": {"a": NEWS}}, version=2)
    role.expires = datetime(2026, 8, 1, tzinfo=UTC)
    (data,) = files.values()
    package = Blob(tmp_path / "00.xz", len(data), hashlib.sha256(data).hexdigest())
    proposed = propose_change(team.folder, Change({"content": role}, (package,)), [], team.now)
    (result,) = review_transition(proposed.transition, {}, team.now)
    assert result.changes[0].startswith("Adds the pack notices 1")


FULL, STEP = "armani/id/stable/armani-first.zip", "armani/id/stable/armani-second.zip"


@pytest.fixture
def empty(team):
    """Return the model's first version."""
    return load_delegated(team.folder, load_trusted(team.folder, None), "armani")[1]


@pytest.fixture
def listed(empty, facts, now):
    """Return the model's second version, which lists one build."""
    request = ReleaseRequest(Channel("armani", "id", "stable"), changelog={"en": "New."})
    return plan_release(request, [facts["first"]], empty, now, now)


def test_review_of_release(empty, listed, facts) -> None:
    """All facts of a release, its changelog and unknown members are shown."""
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
    assert sentence.endswith(", with members that are unknown here: price, more.")


def edit(listed, **members):
    """Return the next version with changed members of the release."""
    later = copy.deepcopy(listed)
    later.targets[FULL].unrecognized_fields["custom"].update(members)
    return later


def test_review_of_release_withdrawal(listed) -> None:
    """A withdrawal has a warning; a drain and its change are shown."""
    changes, warnings = describe_releases(listed, edit(listed, withdrawn=True))
    assert changes == [f"Withdraws {FULL} (counter 1), permanently."]
    assert warnings == [
        f"{FULL} cannot be offered again once it is withdrawn.",
        "Every release of the model is withdrawn.",
    ]
    drained = edit(listed, withdrawn=True, drain_until=1_780_920_000)
    (sentence,) = describe_releases(listed, drained)[0]
    assert sentence.startswith(f"Withdraws {FULL} (counter 1), permanently; ")
    assert sentence.endswith(" are served until 2026-06-08 12:00:00 UTC.")
    shorter = edit(drained, drain_until=1_780_315_200)
    (sentence,) = describe_releases(drained, shorter)[0]
    assert sentence.startswith(f"Changes how long {FULL} is served; ")
    assert sentence.endswith(" are served until 2026-06-01 12:00:00 UTC.")


def test_review_of_changelog(listed) -> None:
    """A changelog is shown on one line, with unprintable characters escaped."""
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
        f"Withdraws {FULL} (counter 1), permanently.",
        f"Changelog of {FULL} in en: \u201cBad.\u201d",
        f"Changes members of {FULL} that this version cannot describe.",
    ]


def test_review_of_removed_release(listed, empty) -> None:
    """Removed paths and a raised floor are shown; a renewal has no changes."""
    changes, warnings = describe_releases(listed, empty)
    assert changes == [f"No longer lists {FULL}, permanently."]
    assert warnings == ["The model lists no release any more: its phones are offered nothing."]
    later = copy.deepcopy(empty)
    later.unrecognized_fields["custom"] = {"floor": 2, "schema": 1}
    assert describe_releases(listed, later)[0] == [
        f"No longer lists {FULL}, permanently.",
        "No build below counter 2 can be listed from then on.",
    ]
    later = copy.deepcopy(listed)
    later.unrecognized_fields["custom"] = {"floor": 0, "floor_time": 4_102_444_800, "schema": 1}
    assert describe_releases(listed, later)[0] == [
        "No build made up to 2100-01-01 00:00:00 UTC can be newly listed from then on."
    ]
    assert describe_releases(listed, listed) == ([], [])
