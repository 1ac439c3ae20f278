import pytest
from hypothesis import given
from msgspec import UNSET
from tuf.api.metadata import TargetFile

from server.core.errors import FormatError, ReleaseError
from server.core.release import (
    decode_release,
    decode_releases,
    named_blobs,
)
from tests.cases import case
from tests.server.core.tuf_objects import make_role
from tests.strategies import releases

PATH = "armani/id/stable/a.zip"
FULL = {
    "schema": 1,
    "type": "full",
    "counter": 3,
    "fingerprint": "Hening/armani/armani:14/A/3:user/release-keys",
    "incremental": "3",
    "post_timestamp": 1_767_225_600,
    "security_patch_level": "2026-01-05",
    "sdk_level": 34,
    "source_builds": [],
    "min_counter": 0,
    "property_files": "metadata:69:240",
    "payload_properties": {
        "FILE_HASH": "FI3pxaekTRnlbNmuGlVL9nhHr7DFj24S+imsfd/KmUA=",
        "FILE_SIZE": "141000",
        "METADATA_HASH": "YsZqel3XDDFGYYBjw0TlMebUtZ43mAhEPOlis6vWPFo=",
        "METADATA_SIZE": "1033",
    },
    "changelog": {"en": "Fixes the alarm clock."},
    "withdrawn": False,
}
DELTA = FULL | {"type": "incremental", "source_builds": ["Hening/armani/armani:14/A/2"]}
NO_INTEGERS = [True, False, 1.0, 1.5, "1", None, [], {}, -1, 2**53, 10**30, " 4_2 ", "\u0661"]


def build(counter, **changes):
    """Return the full release of a counter, with a fingerprint and a time of its own."""
    own = {"fingerprint": f"Hening/a:14/A/{counter}", "post_timestamp": 1_767_225_597 + counter}
    return FULL | {"counter": counter} | own | changes


@given(releases())
def test_every_release_of_the_format_is_read(custom):
    """Every release drawn from the table is accepted, member by member."""
    release = decode_release(PATH, custom)
    for name in set(custom) - {"payload_properties"}:
        assert getattr(release, name) == custom[name]


def test_unknown_members_are_no_reason_to_refuse():
    """A later version may add members; nested ones too in the changelog's place they belong."""
    assert decode_release(PATH, FULL | {"later": [1.5, None]}) == decode_release(PATH, FULL)


@pytest.mark.parametrize("member", sorted(set(FULL)))
def test_every_member_is_required(member):
    """A release without any one member is refused, and the message names it."""
    with pytest.raises(FormatError, match=member):
        decode_release(PATH, {k: v for k, v in FULL.items() if k != member})


@pytest.mark.parametrize("schema", [0, 2, True, 1.0, "1", None, [1], {}, 2**64])
def test_an_unknown_schema_is_refused_with_a_sentence_that_names_it(schema):
    """Only the integer 1 is schema 1."""
    with pytest.raises(FormatError) as caught:
        decode_release(PATH, FULL | {"schema": schema})
    assert f"has schema {str(schema)!r}; this version knows schema 1 only" in str(caught.value)


def test_what_is_no_integer_is_refused():
    """Booleans, floats, texts, negative and huge numbers are no integers of the format."""
    withdrawn = FULL | {"withdrawn": True}
    for member in ["counter", "post_timestamp", "sdk_level", "min_counter", "drain_until"]:
        for value in NO_INTEGERS:
            with case(value, member), pytest.raises(FormatError):
                decode_release(PATH, withdrawn | {member: value})


def test_members_of_another_form_are_refused():
    """Each row breaks one line of the table in FORMATS section 3; member or day is named."""
    for member, value in [
        ("type", "Full"),
        ("type", "delta"),
        ("type", 1),
        ("counter", 0),
        ("fingerprint", ""),
        ("fingerprint", "a b"),
        ("fingerprint", "a\n"),
        ("fingerprint", "a" * 129),
        ("fingerprint", "\u00e9"),
        ("fingerprint", "\x7f"),
        ("incremental", ""),
        ("incremental", "a" * 65),
        ("incremental", "a b"),
        ("incremental", 1),
        ("security_patch_level", "2026-02-29"),
        ("security_patch_level", "2026-13-01"),
        ("security_patch_level", "0000-01-01"),
        ("security_patch_level", "2026-1-5"),
        ("security_patch_level", "20260105"),
        ("security_patch_level", "2026-01-05\n"),
        ("security_patch_level", "2026-W01-1"),
        ("security_patch_level", "\u0662026-01-05"),
        ("security_patch_level", 20260105),
        ("source_builds", ["a"]),
        ("source_builds", None),
        ("source_builds", [""]),
        ("min_counter", 3),
        ("min_counter", 4),
        ("property_files", ""),
        ("property_files", "a" * 1025),
        ("property_files", ["metadata:69:240"]),
        ("payload_properties", {}),
        ("payload_properties", FULL["payload_properties"] | {"x": "y"}),
        ("payload_properties", FULL["payload_properties"] | {"FILE_SIZE": 141000}),
        ("payload_properties", FULL["payload_properties"] | {"FILE_SIZE": "0141000"}),
        ("payload_properties", FULL["payload_properties"] | {"FILE_SIZE": " 141000"}),
        ("payload_properties", FULL["payload_properties"] | {"FILE_SIZE": "\u0661"}),
        ("payload_properties", FULL["payload_properties"] | {"METADATA_SIZE": "1_0"}),
        ("payload_properties", FULL["payload_properties"] | {"FILE_HASH": "AAAA"}),
        ("payload_properties", FULL["payload_properties"] | {"METADATA_HASH": "A" * 44}),
        ("payload_properties", {"file_hash": "x"}),
        ("changelog", {"EN": "x"}),
        ("changelog", {"en_US": "x"}),
        ("changelog", {"en\n": "x"}),
        ("changelog", {"en-abcdefgh-abcdefgh": "x"}),
        ("changelog", {"": "x"}),
        ("changelog", {"en": "x" * 4001}),
        ("changelog", {"en": 1}),
        ("changelog", {"en": None}),
        ("changelog", {f"aa-{number:04}": "x" for number in range(65)}),
        ("changelog", []),
        ("withdrawn", 0),
        ("withdrawn", 1),
        ("withdrawn", "false"),
        ("withdrawn", None),
    ]:
        refusal = rf"is malformed: ({member}|'.*' is no day)"
        with case(member, value), pytest.raises(FormatError, match=refusal):
            decode_release(PATH, FULL | {member: value})


@pytest.mark.parametrize("sources", [[], ["a"] * 9, ["a b"], [1], "abc", {"a": 1}])
def test_an_incremental_has_one_to_eight_sources(sources):
    """None, nine, or malformed ones are refused; eight are read."""
    assert decode_release(PATH, DELTA | {"source_builds": ["a"] * 8}).type == "incremental"
    with pytest.raises(FormatError):
        decode_release(PATH, DELTA | {"source_builds": sources})


def test_the_limits_themselves_are_allowed():
    """The longest texts of the table are read."""
    custom = FULL | {
        "fingerprint": "~" * 128,
        "incremental": "!" * 64,
        "property_files": "a" * 1024,
        "changelog": {f"aa-{number:04}": "x" * 4000 for number in range(64)},
        "security_patch_level": "2024-02-29",
        "min_counter": 2**53 - 2,
        **dict.fromkeys(("counter", "post_timestamp", "sdk_level"), 2**53 - 1),
    }
    assert decode_release(PATH, custom).min_counter == 2**53 - 2


def test_the_releases_of_a_role_are_read_by_path():
    """Two paths of one build may coexist."""
    role = make_role({PATH: FULL, "armani/eu/beta/b.zip": DELTA})
    assert {path: each.type for path, each in decode_releases(role).items()} == {
        PATH: "full",
        "armani/eu/beta/b.zip": "incremental",
    }
    assert decode_releases(make_role()) == {}


@pytest.mark.parametrize(
    "path", ["armani/id/stable/a.apk", "armani/stable/a.zip", "a.zip", "armani/id/stable/a..zip"]
)
def test_a_release_lies_at_a_release_path(path):
    """Other paths of the role are refused."""
    with pytest.raises(FormatError):
        decode_releases(make_role({path: FULL}))


def role_of(*customs):
    """Return a role with those releases under paths of their own."""
    return make_role({f"armani/id/stable/{n}.zip": each for n, each in enumerate(customs)})


def test_growing_counters_agree():
    """The patch level may stay, counters may have gaps, packages may share a counter."""
    customs = [build(1), build(1, type="incremental", source_builds=["x"]), build(7), build(9)]
    assert len(decode_releases(role_of(*customs))) == 4


@pytest.mark.parametrize(
    ("customs", "message"),
    [
        ([build(1), build(1, fingerprint="other")], "uses counter 1, which belongs to"),
        ([build(1), build(1, post_timestamp=1)], "gives the build Hening/a:14/A/1 the post_time"),
        ([build(1), build(1, security_patch_level="2026-01-06")], "the security_patch_level 2026"),
        ([build(1), build(1, incremental="1-eu")], "the build Hening/a:14/A/1 the incremental "),
        ([build(1), build(1, sdk_level=35)], "the build Hening/a:14/A/1 the sdk_level 3"),
        ([build(1), build(2, fingerprint=build(1)["fingerprint"])], "a second counter"),
        (
            [build(2), build(1, post_timestamp=1_767_225_600)],
            "/2 was not built after Hening/a:14/A/1, and its counter 2 is",
        ),
        (
            [build(2), build(1, post_timestamp=build(2)["post_timestamp"])],
            "/2 was not built after Hening/a:14/A/1, and its counter 2 is",
        ),
        (
            [build(1), build(9, post_timestamp=1)],
            "/9 was not built after Hening/a:14/A/1, and its counter 9",
        ),
        (
            [build(1), build(2, security_patch_level="2025-12-31")],
            "/2 has an older patch level than",
        ),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_contradicting_releases_are_refused(customs, message, order):
    """In any order of the paths: counters, builds, times and patch levels must agree."""
    with pytest.raises(ReleaseError) as caught:
        decode_releases(role_of(*customs[::order]))
    assert message in str(caught.value)


def test_a_withdrawn_release_may_drain():
    """`drain_until` is an integer that belongs to a withdrawn release, and may be absent."""
    drained = decode_release(PATH, FULL | {"withdrawn": True, "drain_until": 5})
    assert (drained.withdrawn, drained.drain_until) == (True, 5)
    assert not decode_release(PATH, FULL | {"withdrawn": True}).drain_until
    with pytest.raises(FormatError, match="drain_until belongs to a withdrawn release"):
        decode_release(PATH, FULL | {"drain_until": 5})


def test_nothing_below_the_floor_is_listed():
    """A build that has left cannot return with its counter."""
    role = make_role({PATH: FULL})
    role.unrecognized_fields["custom"] = {"floor": 3, "schema": 1}
    assert len(decode_releases(role)) == 1
    role.unrecognized_fields["custom"]["floor"] = 4
    with pytest.raises(ReleaseError, match="has counter 3, and builds below 4 have left"):
        decode_releases(role)


def test_labels_and_csig_may_be_there():
    """For the dialects of existing Updater apps; absent they are UNSET."""
    csig = {"length": 1_048_576, "sha256": "0" * 64}
    labels = {"lineage.version": "22.1", "crdroid.maintainer": "Zoë", "a" * 32: "x" * 1024}
    found = decode_release(PATH, FULL | {"labels": labels, "csig": csig})
    assert (found.labels, found.csig.length) == (labels, 1_048_576)
    assert decode_release(PATH, FULL).labels is UNSET


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {}},
        {"labels": {"A": "x"}},
        {"labels": {"a" * 33: "x"}},
        {"labels": {"a": "x" * 1025}},
        {"labels": {"a": "two\nlines"}},
        {"labels": {"a": "\u202e"}},
        {"labels": {"a": 1}},
        {"labels": {f"a{n}": "" for n in range(33)}},
        {"csig": {"length": 0, "sha256": "0" * 64}},
        {"csig": {"length": 1_048_577, "sha256": "0" * 64}},
        {"csig": {"length": 1, "sha256": "0" * 63}},
        {"csig": {"length": 1, "sha256": "0" * 64, "more": 1}},
        {"csig": None},
    ],
)
def test_labels_and_csig_of_another_form_are_refused(change):
    """Each limit of FORMATS section 3."""
    with pytest.raises(FormatError, match="malformed"):
        decode_release(PATH, FULL | change)


def test_a_target_names_its_own_blob_and_that_of_its_csig():
    """Both have to be in the store, and stay there."""
    csig = {"length": 7, "sha256": "1" * 64}
    for custom, more in (({}, []), ({"csig": csig}, [("1" * 64, 7)])):
        target = TargetFile(3, {"sha256": "0" * 64}, PATH, {"custom": FULL | custom})
        assert list(named_blobs(target)) == [("0" * 64, 3), *more]
