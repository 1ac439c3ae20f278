from dataclasses import replace

import pytest
from tuf.api.metadata import TargetFile

from server.core.names import Channel
from signer.errors import ReleaseRefusal
from signer.release.edits import check_locales, check_text
from signer.release.plan import judge_release, plan_release
from signer.release.request import ReleaseRequest
from tests.cases import case
from tests.signer.builds import BETA, EXPIRES, NOW, STABLE, empty_role, sign

FIRST = "armani/id/stable/armani-first.zip"
SECOND = "armani/id/stable/armani-second.zip"
STEP = "armani/id/stable/armani-step.zip"


@pytest.fixture
def released(facts):
    """Return a role with the first build."""
    return sign(empty_role(), [facts["first"]], changelog={"en": "First."})


def test_members_of_release(released, facts) -> None:
    """Each member of FORMATS section 3 has the package's facts."""
    target = released.targets[FIRST]
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
    assert (released.version, list(released.targets)) == (2, [FIRST])


def test_packages_of_one_build(released, facts) -> None:
    """They share counter and stepping stone; the next build has the next counter."""
    planned = sign(released, [facts["step"], facts["second"]])
    assert list(planned.targets) == [FIRST, SECOND, STEP]
    assert [planned.targets[path].custom["counter"] for path in (FIRST, SECOND, STEP)] == [1, 2, 2]
    assert planned.targets[STEP].custom["type"] == "incremental"
    assert planned.targets[STEP].custom["source_builds"] == [
        "Hening/armani/armani:14/UKQ1.250101.001/1.0.0-id:user/release-keys"
    ]
    assert (planned.version, planned.targets[FIRST]) == (3, released.targets[FIRST])
    for changelog in ({"en": "First."}, {}):
        assert sign(released, [facts["first"]], changelog=changelog).targets == released.targets
    custom = (
        sign(released, [facts["first"]], BETA).targets["armani/id/beta/armani-first.zip"].custom
    )
    assert (custom["counter"], custom["changelog"]) == (1, {"en": "First."})
    stone = sign(released, [facts["second"]], min_counter=1)
    assert sign(stone, [facts["step"]]).targets[STEP].custom["min_counter"] == 1
    with pytest.raises(ReleaseRefusal, match="have min_counter 1"):
        sign(stone, [facts["step"]], min_counter=0)


def test_unknown_members_are_kept(released, facts) -> None:
    """Members that a newer signer wrote are kept in the role, the target and its `custom`."""
    released.unrecognized_fields["x-role"] = [1]
    target = released.targets[FIRST]
    target.unrecognized_fields["x-target"] = {"a": 1}
    target.custom["x-custom"] = "b"
    planned = sign(released, [facts["first"]], changelog={"en": "Better text."})
    assert planned.unrecognized_fields == {"x-role": [1]}
    again = planned.targets[FIRST]
    assert again.unrecognized_fields["x-target"] == {"a": 1}
    assert (again.custom["x-custom"], again.custom["changelog"]) == ("b", {"en": "Better text."})


def test_invalid_request_is_refused(released, facts) -> None:
    """The message gives the reason; a counter can skip a thousand at most."""
    leap = r"is more than 1000 above 1, the highest so far"
    for name, channel, request, sentence in (
        ("first", STABLE, {"counter": 2}, "has counter 1 already"),
        ("second", STABLE, {"counter": 1}, "Counter 1 is not above 1"),
        ("second", STABLE, {"counter": 1002}, leap),
        ("second", STABLE, {"counter": 2**53}, leap),
        ("second", STABLE, {"counter": 10**30}, leap),
        ("second", STABLE, {"min_counter": 2}, "is not below the build's counter"),
        ("second", STABLE, {"changelog": {"english": "x"}}, "malformed"),
        ("second", STABLE, {"changelog": {"en": "x" * 4001}}, "has 4001 characters"),
        ("second", Channel("armani", "ID", "stable"), {}, "not a region or channel"),
        ("second", Channel("armani", "id", "a/b"), {}, "CODENAME/REGION/CHANNEL"),
        ("second", Channel("dior", "id", "stable"), {}, "not for dior"),
    ):
        with case(request), pytest.raises(ReleaseRefusal, match=sentence):
            sign(released, [facts[name]], channel, **request)
    assert sign(released, [facts["second"]], counter=1001).targets[SECOND].custom["counter"] == 1001


def test_contradicting_package_is_refused(released, facts) -> None:
    """Time and patch level never fall, and a path keeps its facts.

    A build from the future is refused; it is noon of June 1st.
    """
    ahead = "which is in the future"
    for name, change, sentence in (
        (
            "second",
            {"post_timestamp": 1768096800},
            r"second.zip was not built after \S+1.0.0-id\S+, which is .* counter 1; builds of one",
        ),
        (
            "second",
            {"security_patch_level": "2026-01-04"},
            r"older patch level than \S+, which is .* counter 1; build it with 2026-01-05",
        ),
        ("second", {"security_patch_level": "2026-02-30"}, "malformed"),
        ("second", {"fingerprint": "a b"}, "malformed"),
        ("second", {"source_builds": ("x",)}, "starts from x, which armani does not list"),
        ("second", {"payload_properties": {}}, "malformed"),
        ("second", {"streaming_property_files": "x" * 1025}, "malformed"),
        ("second", {"post_timestamp": 1780401601}, f"built on 2026-06-02 12:00:01 UTC, {ahead}"),
        ("second", {"post_timestamp": 2**63}, ahead),
        ("second", {"security_patch_level": "2026-08-01"}, "2026-08-01, which is beyond next"),
        ("second", {"security_patch_level": "9999-12-31"}, "which is beyond next month"),
        ("first", {"sha256": "0" * 64}, "another file name"),
        ("first", {"length": 1}, "another file name"),
        ("first", {"sdk_level": 35}, "keeps its bytes and facts"),
    ):
        with case(name, change), pytest.raises(ReleaseRefusal, match=sentence):
            sign(released, [replace(facts[name], **change)])


def test_unsuitable_set_of_packages_is_refused(facts) -> None:
    """Packages are of one build and have different names and bytes."""
    first = facts["first"]
    for packages, sentence in (
        ([], "No package"),
        ([first, first], r"armani-first.zip is named twice; name each"),
        ([first, replace(first, sha256="0" * 64)], r"have the file name armani-first.zip; rename"),
        ([first, facts["second"]], "leads to another build"),
    ):
        with pytest.raises(ReleaseRefusal, match=sentence):
            sign(empty_role(), packages)


def test_newer_schema_is_refused(released, facts) -> None:
    """A role that this version cannot read is not changed."""
    custom = {**released.targets[FIRST].custom, "schema": 2}
    released.targets[FIRST] = TargetFile(1, {"sha256": "0" * 64}, FIRST, {"custom": custom})
    with pytest.raises(ReleaseRefusal, match="schema '2'"):
        sign(released, [facts["second"]])


def test_build_slightly_ahead_is_accepted(released, facts) -> None:
    """A build may be dated a day ahead, and a patch level may be next month's."""
    change = {"post_timestamp": 1780401600, "security_patch_level": "2026-07-31"}
    assert sign(released, [replace(facts["second"], **change)])
    second = replace(facts["second"], security_patch_level="2027-01-05")
    request = ReleaseRequest(STABLE)
    assert plan_release(request, [second], released, NOW.replace(month=12), EXPIRES)
    with pytest.raises(ReleaseRefusal, match="beyond next month"):
        plan_release(request, [second], released, NOW.replace(month=11), EXPIRES)


def test_required_locales_of_listed_changelog(released, facts) -> None:
    """A path keeps its own text, which must have the required locales."""
    both = sign(released, [facts["first"]], BETA, changelog={"en": "Beta.", "id": "Beta."})
    assert next(iter(both.targets)).startswith("armani/id/beta/")
    required = {"required_locales": ("en", "id")}
    with pytest.raises(ReleaseRefusal, match="no text for id"):
        sign(both, [facts["first"]], **required)
    planned = sign(both, [facts["first"]], **required, changelog={"en": "A", "id": "B"})
    assert planned.targets[FIRST].custom["changelog"] == {"en": "A", "id": "B"}


def test_invalid_old_changelog_is_kept(released, facts) -> None:
    """It blocks neither its own build nor the next; a new one like it is refused."""
    odd = {"en": "See https://rom.example\u200b."}
    released.targets[FIRST].custom["changelog"] = odd
    both = sign(released, [facts["first"]], BETA)
    assert [target.custom["changelog"] for target in both.targets.values()] == [odd, odd]
    assert sign(both, [facts["second"]], changelog={"en": "Better."})
    with pytest.raises(ReleaseRefusal, match=r"^The changelog for en is not plain text"):
        sign(both, [facts["second"]], changelog={"en": "See https://rom.example."})


def test_all_refusals_are_listed(facts) -> None:
    """The verdicts have all reasons; the first one is raised."""
    step = replace(facts["step"], wipe=True, devices=("dior",))
    other = replace(facts["second"], fingerprint="Hening/other:14/A/1")
    request = ReleaseRequest(STABLE, min_counter=1, required_locales=("en",))
    judged = judge_release(request, [step], empty_role(), NOW, EXPIRES, [other])
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
        plan_release(request, [step], empty_role(), NOW, EXPIRES, [other])


def test_judged_plan_is_the_next_version(released, facts) -> None:
    """Judging and planning agree; packages that are not at hand are not compared."""
    packages, request = [facts["second"], facts["step"]], ReleaseRequest(STABLE)
    for sources, passed, words in (([facts["first"]], True, ""), ([], None, "--source")):
        judged = judge_release(request, packages, released, NOW, EXPIRES, sources)
        assert judged.refusals == ()
        assert judged.planned.targets == sign(released, packages).targets
        assert (judged.counter, sorted(judged.releases)) == (2, [FIRST, SECOND, STEP])
        (compared,) = [each for each in judged.verdicts if "the bytes of Hening" in each.question]
        assert (compared.passed, words in compared.remark) == (passed, True)


def test_counter_starts_at_the_floor(facts) -> None:
    """The role's floor is the lowest next counter, and counters can be used up."""
    role, first = empty_role(), [facts["first"]]
    role.unrecognized_fields["custom"] = {"floor": 7, "floor_time": 5, "schema": 1}
    assert sign(role, first).targets[FIRST].custom["counter"] == 7
    with pytest.raises(ReleaseRefusal, match="Counter 6 is not above 6"):
        sign(role, first, counter=6)
    role.unrecognized_fields["custom"]["floor"] = 2**53 - 1
    last = sign(role, first)
    assert last.targets[FIRST].custom["counter"] == 2**53 - 1
    with pytest.raises(ReleaseRefusal, match=r"No counter is left above 9007199254740991"):
        sign(last, [facts["second"]])
    role.unrecognized_fields["custom"]["floor_time"] = facts["first"].post_timestamp
    with pytest.raises(ReleaseRefusal, match="not newer than the role's floor_time"):
        sign(role, first)


def test_region_of_first_package_is_unknown(released, facts) -> None:
    """Packages do not have a region; other packages of the build do, once they are listed."""
    for role, answer in (
        (empty_role(), (None, "a package does not say its region: make sure that it is id")),
        (released, (True, "")),
    ):
        judged = judge_release(ReleaseRequest(STABLE), [facts["first"]], role, NOW, EXPIRES)
        (verdict,) = (each for each in judged.verdicts if each.question == "is for this region")
        assert (verdict.passed, verdict.remark) == answer


def test_changelog_is_plain_text() -> None:
    """Lists and any script are accepted; markup, links and control characters are refused."""
    for text in ("## New\n\n* **Faster** start\n* `adb`", "\u0645\u06cc\u200c\u062e", "x" * 4000):
        check_text("en", text)
    for text, sentence in (
        ("x" * 4001, "has 4001 characters, and 1 to 4000 are allowed"),
        ("a\x1b[2Jb", r"holds U\+001B, a control character"),
        ("", "has 0 characters"),
        ("<b>new</b>", "a link or markup"),
        ("See [the notes](https://rom.example/notes)", "a link or markup"),
        ("tel:110", "write a space after the colon"),
    ):
        with pytest.raises(ReleaseRefusal, match=sentence) as caught:
            check_text("zh-TW", text)
        assert str(caught.value).startswith("The changelog for zh-TW is not plain text: ")


def test_required_locales() -> None:
    """Each needs a text that is not blank."""
    check_locales({"en": "a", "id": "b"}, ["en"])
    check_locales({}, [])
    with pytest.raises(ReleaseRefusal, match=r"no text for id, zh-TW, which policy\.toml"):
        check_locales({"en": "a", "id": ""}, ["en", "id", "zh-TW"])
    for blank in (" ", "\n\n", "\u00a0"):
        with pytest.raises(ReleaseRefusal, match="no text for id"):
            check_locales({"id": blank}, ["id"])
