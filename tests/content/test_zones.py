"""Time zones: the bytes and names that server and phone accept."""

from importlib import resources

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.content.test_entries import ENTRIES, refused, zone
from tests.server.core.content.samples import EMPTY, b64, entries_of, tzif


def test_zone_names_designations_and_rules() -> None:
    """Names cannot leave their folder, and rules are those of RFC 9636 section 3.3.2."""
    for key in ("UTC", "Etc/GMT+7", "America/Port-au-Prince", "America/A.B/C_d"):
        assert ENTRIES.accepts("zones", {key: {"tzif": b64(tzif())}}), key
    for key in (
        *("", "/", "/A", "A/", "A//B", ".", "..", "../A", "A/..", "A/./B", "A./B"),
        *("A b", "\u0410"),
    ):
        assert not ENTRIES.accepts("zones", {key: {"tzif": b64(tzif())}}), key
        linked = {**entries_of("zones"), key: {"link": "Asia/Jakarta"}}
        assert not ENTRIES.accepts("zones", linked), key
    for names, is_good in TIMES.items():
        assert ENTRIES.accepts("zones", zone(tzif(names=names))) == is_good, names
    for footer, is_good in FOOTERS.items():
        assert ENTRIES.accepts("zones", zone(tzif(footer.encode()))) == is_good, footer


TIMES = {
    b"+07\0": True,
    b"AHST\0": True,
    b"+07\0\0": False,
    b"+07\0<b>\0": False,
    b"+07\0ab\0": False,
    b"\0+07\0": False,
    b"a b\0": False,
    b"A" * 16 + b"\0": True,
    b"A" * 17 + b"\0": False,
}
FOOTERS = {
    "": True,
    "UTC0": True,
    "<-03>3": True,
    "EST5EDT,M3.2.0,M11.1.0": True,
    "IST-1GMT0,M10.5.0,M3.5.0/1": True,
    "CET-1CEST,M3.5.0,M10.5.0/3": True,
    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0": True,
    "XXX3EDT4,0/0,J365/23": True,
    "A-1B": False,
    "EST5EDT": False,
    "EST25": False,
    "EST5EDT,J0,J365": False,
    "EST5EDT,J1,J366": False,
    "EST5EDT,366,1": False,
    "EST5EDT,M3.2.0/168,M11.1.0": False,
    "EST5EDT,M13.2.0,M11.1.0": False,
    "EST5EDT,M3.2.0": False,
    "ES5": False,
    "<+07-7": False,
    f"<{'A' * 17}>5": False,
}


def test_every_byte_of_a_zone_is_checked() -> None:
    """A zone with a missing, added or inconsistent byte is refused."""
    good = tzif()
    for data in (
        *(good[:end] for end in range(len(good))),
        good + b"\n",
        tzif(first=EMPTY[:-7] + bytes(6) + b"a"),
        tzif(first=bytes(24)),
        tzif(first=bytes(12) + EMPTY[12:23] + b"\2" + bytes(8)),
        *(good[:at] + b"\1" + good[at + 1 :] for at in (5, 19, 56, 70)),
    ):
        assert not ENTRIES.accepts("zones", zone(data)), data
    good = tzif()  # its second block: header from 51, local time from 95, name from 101 to 105
    for data, sentence in (
        (good[:55] + b"3" + good[56:], "has two versions"),
        (good[:82] + b"\1" + good[83:105] + bytes(12) + good[105:], "has leap seconds"),
        (good[:100] + b"\1" + good[101:], r"other characters than letters, digits, \+ and -"),
        (good[:74] + b"\1" + good[75:105] + b"\2" + good[105:], "neither 0 nor 1"),
        (good[:78] + b"\1" + good[79:105] + b"\2" + good[105:], "neither 0 nor 1"),
        (good[:78] + b"\2" + good[79:105] + b"\1\1" + good[105:], "contradict each other"),
    ):
        refused("zones", zone(data), sentence)


def test_zones_of_tzdata_pass():
    """All zones of the package tzdata, written by another program, are valid."""
    folder = resources.files("tzdata")
    names = folder.joinpath("zones").read_text().split()
    assert len(names) > 500
    for name in names:
        data = folder.joinpath("zoneinfo", *name.split("/")).read_bytes()
        assert ENTRIES.accepts("zones", zone(data)), name


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 101), st.binary(max_size=2), st.integers(0, 2))
def test_changed_bytes_of_a_zone(at, data, gone):
    """Before its names no byte of the sample can differ, except for the version."""
    whole = tzif()
    changed = whole[:at] + data + whole[at + gone :]
    accepted = ENTRIES.accepts("zones", zone(changed))
    if at < 95 and changed[:95] != whole[:95]:
        is_other_version = changed[4] == changed[55] and changed[4:5] in {b"3", b"4"}
        assert not accepted or is_other_version


@given(st.data())
def test_mutated_zones(data):
    """Both agree about a zone with transitions after changes of its bytes."""
    content = bytearray(resources.files("tzdata").joinpath("zoneinfo/Asia/Jakarta").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    ENTRIES.accepts("zones", zone(bytes(content)))
