from dataclasses import replace
from datetime import timedelta

import pytest
from tuf.api.metadata import TargetFile, Targets

from server.core.names import Channel
from signer.errors import ReleaseRefusal
from signer.release.edits import check_locales, check_text
from signer.release.plan import judge_release, plan_release
from signer.release.request import ReleaseRequest
from tests.cases import case
from tests.signer.builds import NOW

STABLE = Channel("armani", "id", "stable")
FIRST = "armani/id/stable/armani-first.zip"
SECOND = "armani/id/stable/armani-second.zip"
STEP = "armani/id/stable/armani-step.zip"


@pytest.fixture
def expires(now):
    """Return when planned versions expire."""
    return now + timedelta(days=90)


@pytest.fixture
def empty(expires):
    """Return the role as a ceremony makes it."""
    return Targets(version=1, expires=expires)


@pytest.fixture
def one(empty, facts, expires):
    """Return the role with the first build in it."""
    request = ReleaseRequest(STABLE, changelog={"en": "First."})
    return plan_release(request, [facts["first"]], empty, NOW, expires)


def test_a_release_says_what_the_package_says(one, facts) -> None:
    """Every member of FORMATS section 3, from the facts of the zip."""
    target = one.targets[FIRST]
    first = facts["first"]
    assert (target.length, target.hashes) == (first.length, {"sha256": first.sha256})
    assert target.custom == {
        "changelog": {"en": "First."},
        "counter": 1,
        "fingerprint": "Hening/armani/armani:14/UKQ1.250101.001/1.0.0-id:user/release-keys",
        "incremental": "1.0.0-id",
        "min_counter": 0,
        "payload_properties": {
            name: first.payload_properties[name]
            for name in ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")
        },
        "post_timestamp": 1768096800,  # 2026-01-11T02:00:00Z
        "property_files": first.streaming_property_files,
        "schema": 1,
        "sdk_level": 34,
        "security_patch_level": "2026-01-05",
        "source_builds": [],
        "type": "full",
        "withdrawn": False,
    }
    assert (one.version, list(one.targets)) == (2, [FIRST])


def test_full_and_incremental_share_a_counter(one, facts, expires) -> None:
    """The packages of the next build get the next counter, and the old release is untouched."""
    planned = plan_release(
        ReleaseRequest(STABLE), [facts["step"], facts["second"]], one, NOW, expires
    )
    assert list(planned.targets) == [FIRST, SECOND, STEP]
    assert [planned.targets[path].custom["counter"] for path in (FIRST, SECOND, STEP)] == [1, 2, 2]
    assert planned.targets[STEP].custom["type"] == "incremental"
    assert planned.targets[STEP].custom["source_builds"] == [
        "Hening/armani/armani:14/UKQ1.250101.001/1.0.0-id:user/release-keys"
    ]
    assert planned.targets[FIRST] == one.targets[FIRST]
    assert planned.version == 3


def test_unknown_members_are_kept(one, facts, expires) -> None:
    """What a newer signer wrote survives, in the role, the target and its `custom`."""
    one.unrecognized_fields["x-role"] = [1]
    target = one.targets[FIRST]
    target.unrecognized_fields["x-target"] = {"a": 1}
    target.custom["x-custom"] = "b"
    planned = plan_release(
        ReleaseRequest(STABLE, changelog={"en": "Better text."}),
        [facts["first"]],
        one,
        NOW,
        expires,
    )
    assert planned.unrecognized_fields == {"x-role": [1]}
    again = planned.targets[FIRST]
    assert again.unrecognized_fields["x-target"] == {"a": 1}
    assert again.custom["x-custom"] == "b"
    assert again.custom["changelog"] == {"en": "Better text."}


def test_another_channel_shares_counter_and_text(one, facts, expires) -> None:
    """The same build in a second channel is the same build, at a second path."""
    request = ReleaseRequest(Channel("armani", "id", "beta"))
    planned = plan_release(request, [facts["first"]], one, NOW, expires)
    custom = planned.targets["armani/id/beta/armani-first.zip"].custom
    assert (custom["counter"], custom["changelog"]) == (1, {"en": "First."})


def test_everything_listed_already_is_no_change(one, facts, expires) -> None:
    """Repeating a request plans the same targets, whether the text is given again or not."""
    for changelog in ({"en": "First."}, {}):
        request = ReleaseRequest(STABLE, changelog=changelog)
        assert plan_release(request, [facts["first"]], one, NOW, expires).targets == one.targets


def test_a_stepping_stone_is_shared_by_a_build(one, facts, expires) -> None:
    """A package that joins a build takes over its min_counter, and may not differ."""
    request = ReleaseRequest(STABLE, min_counter=1)
    stone = plan_release(request, [facts["second"]], one, NOW, expires)
    joined = plan_release(ReleaseRequest(STABLE), [facts["step"]], stone, NOW, expires)
    assert joined.targets[STEP].custom["min_counter"] == 1
    with pytest.raises(ReleaseRefusal, match="have min_counter 1"):
        plan_release(ReleaseRequest(STABLE, min_counter=0), [facts["step"]], stone, NOW, expires)


def test_a_request_that_cannot_be_is_refused(one, facts, expires) -> None:
    """The sentence says why."""
    for name, changes, sentence in (
        ("first", {"counter": 2}, "has counter 1 already"),
        ("second", {"counter": 1}, "Counter 1 is not above 1"),
        ("second", {"min_counter": 2}, "min_counter is not below counter"),
        ("second", {"changelog": {"english": "x"}}, "malformed"),
        ("second", {"changelog": {"en": "x" * 4001}}, "has 4001 characters"),
        ("second", {"channel": Channel("armani", "ID", "stable")}, "not a region or channel"),
        ("second", {"channel": Channel("armani", "id", "a/b")}, "CODENAME/REGION/CHANNEL"),
        ("second", {"channel": Channel("dior", "id", "stable")}, "not for dior"),
    ):
        with case(name), pytest.raises(ReleaseRefusal, match=sentence):
            plan_release(
                ReleaseRequest(**{"channel": STABLE} | changes), [facts[name]], one, NOW, expires
            )


def test_a_build_that_goes_back_or_is_malformed_is_refused(one, facts, expires) -> None:
    """Time and patch level never fall, and every member has its form."""
    for change, sentence in (
        (
            {"post_timestamp": 1768096800},
            r"second.zip was not built after \S+1.0.0-id\S+, which is .* counter 1; builds of one",
        ),
        (
            {"security_patch_level": "2026-01-04"},
            r"older patch level than \S+, which is .* counter 1; build it with 2026-01-05",
        ),
        ({"security_patch_level": "2026-02-30"}, "malformed"),
        ({"fingerprint": "a b"}, "malformed"),
        ({"source_builds": ("x",)}, "starts from x, which armani does not list"),
        ({"payload_properties": {}}, "malformed"),
        ({"streaming_property_files": "x" * 1025}, "malformed"),
    ):
        with case(change), pytest.raises(ReleaseRefusal, match=sentence):
            plan_release(
                ReleaseRequest(STABLE), [replace(facts["second"], **change)], one, NOW, expires
            )


def test_packages_that_do_not_go_together_are_refused(empty, facts, expires) -> None:
    """None, one twice, two of one name, and two of two builds."""
    first = facts["first"]
    for packages, sentence in (
        ([], "No package"),
        ([first, first], r"armani-first.zip is named twice; name each"),
        ([first, replace(first, sha256="0" * 64)], r"have the file name armani-first.zip; rename"),
        ([first, facts["second"]], "leads to another build"),
    ):
        with pytest.raises(ReleaseRefusal, match=sentence):
            plan_release(ReleaseRequest(STABLE), packages, empty, NOW, expires)


def test_a_path_keeps_its_bytes_and_facts(one, facts, expires) -> None:
    """The sentence says what to do with a package that was built again."""
    for change, sentence in (
        ({"sha256": "0" * 64}, "another file name"),
        ({"length": 1}, "another file name"),
        ({"sdk_level": 35}, "keeps its bytes and facts"),
    ):
        changed = replace(facts["first"], **change)
        with pytest.raises(ReleaseRefusal, match=sentence):
            plan_release(ReleaseRequest(STABLE), [changed], one, NOW, expires)


def test_a_counter_that_leaves_too_many_out_is_refused(one, facts, expires) -> None:
    """A mistyped one could never be taken back; a thousand may be left out."""
    for counter in (1002, 2**53, 10**30):
        request = ReleaseRequest(STABLE, counter=counter)
        with pytest.raises(ReleaseRefusal, match=r"is more than 1000 above 1, the highest so far"):
            plan_release(request, [facts["second"]], one, NOW, expires)
    request = ReleaseRequest(STABLE, counter=1001)
    planned = plan_release(request, [facts["second"]], one, NOW, expires)
    assert planned.targets[SECOND].custom["counter"] == 1001


def test_a_role_of_a_newer_schema_is_refused(one, facts, expires) -> None:
    """This version does not add to a role that it cannot read."""
    custom = {**one.targets[FIRST].custom, "schema": 2}
    one.targets[FIRST] = TargetFile(1, {"sha256": "0" * 64}, FIRST, {"custom": custom})
    with pytest.raises(ReleaseRefusal, match="schema '2'"):
        plan_release(ReleaseRequest(STABLE), [facts["second"]], one, NOW, expires)


def test_when_no_counter_is_left_it_is_said(empty, facts, expires) -> None:
    """In words of people."""
    empty.unrecognized_fields["custom"] = {"floor": 2**53 - 1, "floor_time": 5, "schema": 1}
    last = plan_release(ReleaseRequest(STABLE), [facts["first"]], empty, NOW, expires)
    assert last.targets[FIRST].custom["counter"] == 2**53 - 1
    with pytest.raises(ReleaseRefusal, match=r"No counter is left above 9007199254740991"):
        plan_release(ReleaseRequest(STABLE), [facts["second"]], last, NOW, expires)


def test_a_build_from_the_future_is_refused(one, facts, expires) -> None:
    """No right build could ever follow it; it is noon of June 1st."""
    for change, sentence in (
        ({"post_timestamp": 1780401601}, "built on 2026-06-02 12:00:01 UTC, which is yet to come"),
        ({"post_timestamp": 2**63}, "which is yet to come"),
        ({"security_patch_level": "2026-08-01"}, "patch level 2026-08-01, which is beyond next"),
        ({"security_patch_level": "9999-12-31"}, "which is beyond next month"),
    ):
        with case(change), pytest.raises(ReleaseRefusal, match=sentence):
            plan_release(
                ReleaseRequest(STABLE), [replace(facts["second"], **change)], one, NOW, expires
            )


def test_a_day_and_a_month_ahead_are_taken(one, facts, expires) -> None:
    """Clocks differ, and patch levels are published ahead; in December of the next year."""
    change = {"post_timestamp": 1780401600, "security_patch_level": "2026-07-31"}
    second = replace(facts["second"], **change)
    assert plan_release(ReleaseRequest(STABLE), [second], one, NOW, expires)
    second = replace(facts["second"], security_patch_level="2027-01-05")
    december = NOW.replace(month=12)
    assert plan_release(ReleaseRequest(STABLE), [second], one, december, expires)
    with pytest.raises(ReleaseRefusal, match="beyond next month"):
        plan_release(ReleaseRequest(STABLE), [second], one, NOW.replace(month=11), expires)


def test_the_changelog_that_is_judged_is_the_one_that_is_listed(one, facts, expires) -> None:
    """A path keeps its own text, and the build's text of another channel does not speak for it."""
    beta = Channel("armani", "id", "beta")
    other = ReleaseRequest(beta, changelog={"en": "Beta.", "id": "Beta."})
    both = plan_release(other, [facts["first"]], one, NOW, expires)
    assert next(iter(both.targets)).startswith("armani/id/beta/")
    request = ReleaseRequest(STABLE, required_locales=("en", "id"))
    with pytest.raises(ReleaseRefusal, match="no text for id"):
        plan_release(request, [facts["first"]], both, NOW, expires)
    request = ReleaseRequest(
        STABLE, required_locales=("en", "id"), changelog={"en": "A", "id": "B"}
    )
    planned = plan_release(request, [facts["first"]], both, NOW, expires)
    assert planned.targets[FIRST].custom["changelog"] == {"en": "A", "id": "B"}


def test_a_changelog_of_an_older_version_stays(one, facts, expires) -> None:
    """It holds up neither its own build nor the next; nothing like it joins."""
    odd = {"en": "See https://rom.example\u200b."}
    one.targets[FIRST].custom["changelog"] = odd
    beta = Channel("armani", "id", "beta")
    both = plan_release(ReleaseRequest(beta), [facts["first"]], one, NOW, expires)
    assert [target.custom["changelog"] for target in both.targets.values()] == [odd, odd]
    request = ReleaseRequest(STABLE, changelog={"en": "Better."})
    assert plan_release(request, [facts["second"]], both, NOW, expires)
    request = ReleaseRequest(STABLE, changelog={"en": "See https://rom.example."})
    with pytest.raises(ReleaseRefusal, match=r"^The changelog for en is no plain text"):
        plan_release(request, [facts["second"]], both, NOW, expires)


def test_every_reason_is_given(empty, facts, expires) -> None:
    """A package that is wrong in many ways is said to be so at once; the first is raised."""
    step = replace(facts["step"], wipe=True, devices=("dior",))
    other = replace(facts["second"], fingerprint="Hening/other:14/A/1")
    request = ReleaseRequest(STABLE, min_counter=1, required_locales=("en",))
    judged = judge_release(request, [step], empty, NOW, expires, [other])
    assert judged.planned is None
    assert [each.question for each in judged.verdicts if each.refusal] == [
        "keeps the owner's data",
        "is for armani",
        "starts from known builds",
        "needs every --source",
        "has one stepping stone",
        "has every required locale",
        "has one full package",
    ]
    with pytest.raises(ReleaseRefusal, match="wipes the owner's data"):
        plan_release(request, [step], empty, NOW, expires, [other])


def test_a_plan_without_refusals_is_the_next_version(one, facts, expires) -> None:
    """Judging and planning are one."""
    packages, request = [facts["second"], facts["step"]], ReleaseRequest(STABLE)
    judged = judge_release(request, packages, one, NOW, expires, [facts["first"]])
    assert judged.refusals == ()
    assert judged.planned.targets == plan_release(request, packages, one, NOW, expires).targets
    assert judged.counter == 2
    assert sorted(judged.releases) == [FIRST, SECOND, STEP]
    (compared,) = [each for each in judged.verdicts if "the bytes of Hening" in each.question]
    assert compared.passed is True


def test_what_is_not_at_hand_is_not_compared(one, facts, expires) -> None:
    """It is no refusal, and no approval either."""
    packages = [facts["second"], facts["step"]]
    judged = judge_release(ReleaseRequest(STABLE), packages, one, NOW, expires)
    (compared,) = [each for each in judged.verdicts if "the bytes of Hening" in each.question]
    assert (compared.passed, "--source" in compared.remark) == (None, True)


def test_a_counter_goes_on_above_the_floor(empty, facts, expires) -> None:
    """The highest that ever was is remembered by the role."""
    empty.unrecognized_fields["custom"] = {"floor": 7, "floor_time": 5, "schema": 1}
    planned = plan_release(ReleaseRequest(STABLE), [facts["first"]], empty, NOW, expires)
    assert planned.targets[FIRST].custom["counter"] == 7
    with pytest.raises(ReleaseRefusal, match="Counter 6 is not above 6"):
        plan_release(ReleaseRequest(STABLE, counter=6), [facts["first"]], empty, NOW, expires)
    empty.unrecognized_fields["custom"]["floor_time"] = facts["first"].post_timestamp
    with pytest.raises(ReleaseRefusal, match="not newer than the role's floor_time"):
        plan_release(ReleaseRequest(STABLE), [facts["first"]], empty, NOW, expires)


def test_a_region_that_cannot_be_known_has_no_answer(empty, one, facts, expires) -> None:
    """A package does not say its region; the build's other packages do, once they are listed."""
    asked = {}
    for name, role in (("new", empty), ("listed", one)):
        judged = judge_release(ReleaseRequest(STABLE), [facts["first"]], role, NOW, expires)
        (verdict,) = (each for each in judged.verdicts if each.question == "is for this region")
        asked[name] = (verdict.passed, verdict.remark)
    assert asked["new"] == (None, "a package does not say its region: make sure that it is id")
    assert asked["listed"] == (True, "")


def test_a_changelog_is_plain_text() -> None:
    """Lists, signs and lines, in any script; the sentence names the locale and what is wrong."""
    for text in ("## New\n\n* **Faster** start\n* `adb`", "\u0645\u06cc\u200c\u062e", "x" * 4000):
        check_text("en", text)
    for text, sentence in (
        ("x" * 4001, "has 4001 characters, and 1 to 4000 are allowed"),
        ("a\x1b[2Jb", r"holds U\+001B, a control character"),
        ("", "has 0 characters"),
        ("<b>new</b>", "links or markup"),
        ("See [the notes](https://rom.example/notes)", "links or markup"),
        ("tel:110", "write a space behind the colon"),
    ):
        with pytest.raises(ReleaseRefusal, match=sentence) as caught:
            check_text("zh-TW", text)
        assert str(caught.value).startswith("The changelog for zh-TW is no plain text: ")


def test_required_locales_need_a_text() -> None:
    """Spaces are none; more locales than required are fine."""
    check_locales({"en": "a", "id": "b"}, ["en"])
    check_locales({}, [])
    with pytest.raises(ReleaseRefusal, match=r"no text for id, zh-TW, which policy\.toml"):
        check_locales({"en": "a", "id": ""}, ["en", "id", "zh-TW"])
    for blank in (" ", "\n\n", "\u00a0"):
        with pytest.raises(ReleaseRefusal, match="no text for id"):
            check_locales({"id": blank}, ["id"])
