"""Entries and their differences in words."""

import struct
from itertools import starmap

from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.content.kinds import KINDS
from signer.content.wording import compare_entries
from tests.cases import case
from tests.server.core.content.samples import DER, NEWS, b64, entries_of, tzif

POINT = {"apn": "internet", "carrier": "Telkomsel", "types": ["default"]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)


def zone(*changes, rule=b"WIB-7"):
    """Return a zone whose local mean time is +07:07:12, with the given changes."""
    names = b"LMT\0WIB\0+09\0"
    kinds = ((25_632, 0, 0), (25_200, 0, 4), (32_400, 0, 8))
    data = struct.pack(f">{len(changes)}q", *(at for at, _ in changes))
    data += bytes(number for _, number in changes)
    data += b"".join(starmap(struct.Struct(">iBB").pack, kinds)) + names
    head = b"TZif2" + bytes(15)
    first = head + struct.pack(">6I", 0, 0, 0, 0, 1, 1) + bytes(6) + b"\0"
    second = head + struct.pack(">6I", 0, 0, 0, len(changes), 3, len(names))
    return {"tzif": b64(first + second + data + b"\n" + rule + b"\n")}


def test_compare_access_points() -> None:
    """Changed and new members are listed by carrier and name; duplicate names are numbered."""
    old = {"apns": [POINT, {**POINT, "types": ["mms"]}]}
    new = {
        "apns": [{**POINT, "proxy": "10.0.0.1"}, {**POINT, "types": ["mms"]}, {**POINT, "apn": "x"}]
    }
    assert compare_entries("apn", old, new) == [
        (
            "order",
            '["Telkomsel, internet", "Telkomsel, internet (2)"]',
            '["Telkomsel, internet", "Telkomsel, internet (2)", "Telkomsel, x"]',
        ),
        ("Telkomsel, internet: proxy", None, "10.0.0.1"),
        ("Telkomsel, x: apn", None, "x"),
        ("Telkomsel, x: types", None, "default"),
    ]


def test_describe_certificate() -> None:
    """Subject, validity and hash are those that `openssl x509` prints."""
    words = {
        name: (old, new)
        for name, old, new in compare_entries("ca", None, {"der": b64(DER), "name": "Root"})
    }
    assert words == {
        "name": (None, "Root"),
        "subject": (None, "CN=Root"),
        "issuer": (None, "CN=Root"),
        "valid": (None, "from 2026-04-01 00:00:00 to 2026-04-02 00:00:00 UTC"),
        "sha256": (None, "d1968add49edea4e2885c9b97129be0c4db65f219413588b7b3de8484383dfc5"),
    }


def test_compare_entries() -> None:
    """Members are listed with the value before and after, and texts by language."""
    for kind, old, new, words in (
        (
            "emergency",
            {"exact": True, "numbers": ["110", "112"]},
            {"exact": True, "numbers": ["777"]},
            [("numbers", "110, 112", "777")],
        ),
        (
            "holidays",
            {"days": [["2026-01-01", {"id": "Tahun Baru"}], ["2026-12-25", {"id": "Natal"}]]},
            {"days": [["2026-12-25", {"id": "Natal", "en": "Christmas"}]]},
            [("2026-01-01 id", "Tahun Baru", None), ("2026-12-25 en", None, "Christmas")],
        ),
        (
            "greetings",
            {"days": {"*": ["2026-01-01"]}, "name": {"en": "New Year"}},
            {"days": {}, "name": {"en": "New Year"}},
            [("days *", "2026-01-01", None), ("days", None, "{}")],
        ),
        ("zones", {"link": "Asia/Jakarta"}, {"link": "WIB"}, [("link", "Asia/Jakarta", "WIB")]),
        (
            "notices",
            {"a": ["b, c"]},
            {"a": ["b", "c"]},
            [("entry", '{"a": ["b, c"]}', '{"a": ["b", "c"]}')],
        ),
    ):
        with case(kind):
            assert compare_entries(kind, old, new) == words
    new = {**NEWS, "title": {"en": "Other", "zh": "消息"}, "severity": "urgent"}
    assert compare_entries("notices", NEWS, new) == [
        ("severity", "info", "urgent"),
        ("title en", "News", "Other"),
        ("title id", "Kabar", None),
        ("title zh", None, "消息"),
    ]


def test_compare_zones() -> None:
    """The first time that differs, the number of them, and a new rule for later years."""
    old = zone((-1_000_000_000, 1), (0, 2), (86_400, 1))
    new = zone((-1_000_000_000, 1), (0, 2), (172_800, 1), (259_200, 2), rule=b"<+09>-9")
    found = compare_entries("zones", old, new)
    assert found[:3] == [
        ("from 1970-01-02 00:00:00 UTC on", "+07:00 WIB", "+09:00 +09"),
        ("times that differ", None, "2 of 6, the last from 1970-01-04 00:00:00 UTC on"),
        ("rule for later years", "WIB-7", "<+09>-9"),
    ]
    assert [name for name, *_ in found[3:]] == ["sha256"]


def test_describe_zone() -> None:
    """A new zone is described by its first and last time, changes and rule."""
    words = compare_entries("zones", None, zone((0, 2), (86_400, 1)))
    assert words[0] == (
        "times",
        None,
        "+07:07:12 LMT at first, 2 changes, from 1970-01-02 00:00:00 UTC on +07:00 WIB",
    )
    assert words[1] == ("rule for later years", None, "WIB-7")
    words = compare_entries("zones", {"tzif": b64(tzif())}, {"link": "WIB"})
    assert words[0] == ("times", "+07:00 +07 at first, no change", None)
    assert words[-1] == ("link", None, "WIB")


def test_each_changed_member_is_listed() -> None:
    """A member replaced by any other value is listed."""
    for kind in KINDS:
        with case(kind):
            for entry in entries_of(kind).values():
                for member in entry:
                    assert compare_entries(kind, entry, {**entry, member: "x"})
                    assert compare_entries(kind, {**entry, member: ["x"]}, entry)


def test_similar_values_are_distinguished() -> None:
    """A list of one value, text that looks like JSON, and similar names are distinguished."""
    for pair in ((False, [False]), ("a, b", ["a", "b"]), ({}, ["{}"]), ("1", 1)):
        [(_, before, after)] = compare_entries("emergency", *pair)
        assert before != after
    for first, second in (
        ({"apn": "a (2)"}, {"apn": "a"}),
        ({"carrier": "A, b", "apn": "a"}, {"carrier": "A", "apn": "b, a"}),
    ):
        points = [{**POINT, **each} for each in (first, second, second)]
        before = [{**points[0], "proxy": "10.0.0.1"}, *points[1:]]
        after = [points[0], {**points[1], "proxy": "10.0.0.1"}, points[2]]
        words = compare_entries("apn", {"apns": before}, {"apns": after})
        assert len([name for name, *_ in words if name.endswith(": proxy")]) == 2


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(KINDS)), JSON, JSON)
def test_arbitrary_entries(kind, old, new) -> None:
    """Unchecked entries can be compared, and two that differ never look equal."""
    words = compare_entries(kind, old, new)
    assert all(before != after for _, before, after in words) or old == new
    assert words
