import pytest
from hypothesis import given
from msgspec import UNSET
from tuf.api.metadata import TargetFile

from server.core.errors import FormatError, ReleaseError
from server.core.release import decode_release, decode_releases, named_blobs
from tests.cases import case, refuse_each
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
NON_INTEGERS = [True, False, 1.0, 1.5, "1", None, [], {}, -1, 2**53, 10**30, " 4_2 ", "\u0661"]


def build(counter, **changes):
    """Return a full release of a counter, with its own fingerprint and time."""
    own = {"fingerprint": f"Hening/a:14/A/{counter}", "post_timestamp": 1_767_225_597 + counter}
    return FULL | {"counter": counter} | own | changes


@given(releases())
def test_valid_releases_are_decoded(custom):
    """Every release drawn from the table is accepted with all its members."""
    release = decode_release(PATH, custom)
    for name in set(custom) - {"payload_properties"}:
        assert getattr(release, name) == custom[name]


def test_members_are_required_and_unknown_ones_ignored():
    """The message names a missing member; a later version may add others."""
    assert decode_release(PATH, FULL | {"later": [1.5, None]}) == decode_release(PATH, FULL)
    for member in FULL:
        with pytest.raises(FormatError, match=member):
            decode_release(PATH, {k: v for k, v in FULL.items() if k != member})


def test_unknown_schemas_are_refused():
    """Any other schema than the integer 1 is refused."""
    for schema in (0, 2, True, 1.0, "1", None, [1], {}, 2**64):
        with case(schema), pytest.raises(FormatError) as caught:
            decode_release(PATH, FULL | {"schema": schema})
        assert f"has schema {str(schema)!r}; this version knows schema 1 only" in str(caught.value)


def test_non_integers_are_refused():
    """Booleans, floats, texts, negative and too large numbers are refused."""
    withdrawn = FULL | {"withdrawn": True}
    for member in ["counter", "post_timestamp", "sdk_level", "min_counter", "drain_until"]:
        for value in NON_INTEGERS:
            with case(value, member), pytest.raises(FormatError):
                decode_release(PATH, withdrawn | {member: value})


def test_malformed_members_are_refused():
    """Each row breaks a line of the table in FORMATS section 3; the message names it."""
    payload = FULL["payload_properties"]
    rows = {
        "type": ["Full", "delta", 1],
        "counter": [0],
        "fingerprint": ["", "a b", "a\n", "a" * 129, "\u00e9", "\x7f"],
        "incremental": ["", "a" * 65, "a b", 1],
        "security_patch_level": [
            *("2026-02-29", "2026-13-01", "0000-01-01", "2026-1-5", "20260105", "2026-01-05\n"),
            *("2026-W01-1", "\u0662026-01-05", 20260105),
        ],
        "source_builds": [["a"], None, [""]],
        "min_counter": [3, 4],
        "property_files": ["", "a" * 1025, ["metadata:69:240"]],
        "payload_properties": [
            *({}, {"file_hash": "x"}, payload | {"x": "y"}, payload | {"FILE_SIZE": 141000}),
            *(payload | {"FILE_SIZE": size} for size in ("0141000", " 141000", "\u0661")),
            *(payload | {"METADATA_SIZE": "1_0"}, payload | {"FILE_HASH": "AAAA"}),
            payload | {"METADATA_HASH": "A" * 44},
        ],
        "changelog": [
            *({name: "x"} for name in ("EN", "en_US", "en\n", "en-abcdefgh-abcdefgh", "")),
            *({"en": "x" * 4001}, {"en": 1}, {"en": None}, []),
            {f"aa-{number:04}": "x" for number in range(65)},
        ],
        "withdrawn": [0, 1, "false", None],
    }
    for member, values in rows.items():
        refusal = rf"is malformed: ({member}|'.*' is not a day)"
        for value in values:
            with case(member, value), pytest.raises(FormatError, match=refusal):
                decode_release(PATH, FULL | {member: value})


def test_incremental_has_one_to_eight_sources():
    """An incremental has one to eight valid sources."""

    def read(sources):
        return decode_release(PATH, DELTA | {"source_builds": sources})

    assert read(["a"] * 8).type == "incremental"
    refuse_each(FormatError, read, [[], ["a"] * 9, ["a b"], [1], "abc", {"a": 1}])


def test_values_at_the_limits_are_accepted():
    """The longest texts of the table are accepted."""
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


def test_releases_of_a_role_by_path():
    """Two paths of one build may coexist; other paths are refused."""
    role = make_role({PATH: FULL, "armani/eu/beta/b.zip": DELTA})
    types = {path: each.type for path, each in decode_releases(role).items()}
    assert types == {PATH: "full", "armani/eu/beta/b.zip": "incremental"}
    assert decode_releases(make_role()) == {}
    bad = ["armani/id/stable/a.apk", "armani/stable/a.zip", "a.zip", "armani/id/stable/a..zip"]
    refuse_each(FormatError, lambda path: decode_releases(make_role({path: FULL})), bad)


def role_of(*customs):
    """Return a role with these releases at paths of their own."""
    return make_role({f"armani/id/stable/{n}.zip": each for n, each in enumerate(customs)})


BUILT = build(2)["post_timestamp"]
CONTRADICTIONS = [
    (build(1), build(1, fingerprint="other"), "uses counter 1, which belongs to"),
    (build(1), build(1, post_timestamp=1), "gives the build Hening/a:14/A/1 the post_time"),
    (build(1), build(1, security_patch_level="2026-01-06"), "the security_patch_level 2026"),
    (build(1), build(1, incremental="1-eu"), "the build Hening/a:14/A/1 the incremental "),
    (build(1), build(1, sdk_level=35), "the build Hening/a:14/A/1 the sdk_level 3"),
    (build(1), build(2, fingerprint=build(1)["fingerprint"]), "a second counter"),
    *(
        (build(2), build(1, post_timestamp=time), "/2 was not built after Hening/a:14/A/1, but its")
        for time in (BUILT, BUILT + 1)
    ),
    (build(1), build(9, post_timestamp=1), "/9 was not built after Hening/a:14/A/1, but its"),
    (build(1), build(2, security_patch_level="2025-12-31"), "/2 has an older patch level than"),
]


def test_contradicting_releases_are_refused():
    """Counters, builds, times and patch levels of a role must agree, in any order of paths.

    The patch level may stay, counters may have gaps, and packages may share a counter.
    """
    customs = [build(1), build(1, type="incremental", source_builds=["x"]), build(7), build(9)]
    assert len(decode_releases(role_of(*customs))) == 4
    for *customs, message in CONTRADICTIONS:
        for order in (1, -1):
            with case(message, order), pytest.raises(ReleaseError) as caught:
                decode_releases(role_of(*customs[::order]))
            assert message in str(caught.value)


def test_drain_until_of_a_withdrawn_release():
    """`drain_until` is an optional integer of a withdrawn release."""
    drained = decode_release(PATH, FULL | {"withdrawn": True, "drain_until": 5})
    assert (drained.withdrawn, drained.drain_until) == (True, 5)
    assert not decode_release(PATH, FULL | {"withdrawn": True}).drain_until
    with pytest.raises(FormatError, match="drain_until belongs only to a withdrawn release"):
        decode_release(PATH, FULL | {"drain_until": 5})


def test_builds_below_the_floor_are_refused():
    """A role cannot list a counter below its floor."""
    assert len(decode_releases(make_role({PATH: FULL}, floor=3, schema=1))) == 1
    with pytest.raises(ReleaseError, match="has counter 3, but builds below 4 have left"):
        decode_releases(make_role({PATH: FULL}, floor=4, schema=1))


def test_labels_and_csig_are_optional():
    """Labels and csig are optional, and UNSET if missing; their limits are those of section 3."""
    csig = {"length": 1_048_576, "sha256": "0" * 64}
    labels = {"lineage.version": "22.1", "crdroid.maintainer": "Zoë", "a" * 32: "x" * 1024}
    found = decode_release(PATH, FULL | {"labels": labels, "csig": csig})
    assert (found.labels, found.csig.length) == (labels, 1_048_576)
    assert decode_release(PATH, FULL).labels is UNSET
    wrong = [{"length": 0}, {"length": 1_048_577}, {"sha256": "0" * 63}, {"more": 1}]
    bad = [
        *({"labels": {name: "x"}} for name in ("A", "a" * 33)),
        *({"labels": {"a": text}} for text in ("x" * 1025, "two\nlines", "\u202e", 1)),
        *({"labels": {}}, {"labels": {f"a{n}": "" for n in range(33)}}, {"csig": None}),
        *({"csig": csig | each} for each in wrong),
    ]
    refuse_each(FormatError, lambda more: decode_release(PATH, FULL | more), bad, "malformed")


def test_blobs_of_a_target():
    """A target's blobs are its package and its csig, which both must stay in the store."""
    csig = {"length": 7, "sha256": "1" * 64}
    for custom, more in (({}, []), ({"csig": csig}, [("1" * 64, 7)])):
        target = TargetFile(3, {"sha256": "0" * 64}, PATH, {"custom": FULL | custom})
        assert list(named_blobs(target)) == [("0" * 64, 3), *more]
