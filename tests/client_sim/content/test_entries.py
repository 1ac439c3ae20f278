"""Each kind's schema: sound entries pass, and each change that a stranger would make does not."""

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.content.checks import check_entries
from client_sim.content.index import File
from client_sim.content.kinds import KINDS
from client_sim.device.errors import ContentError
from tests.certificates import CONSTRAINTS, EXTENSIONS_OF_ODD_FORM, make_certificate
from tests.server.core.content.samples import EMPTY, FULL, entries_of, tzif

HOSTS = frozenset({"example.com"})


def check(kind, entries):
    """Check entries, with the pictures that they name listed beside them."""
    pictures = {}
    if kind == "wallpapers":
        pictures = {
            key: File(entry["length"], entry["sha256"])
            for key, entry in entries_of("wallpapers").items()
        }
    check_entries(kind, entries, hosts=HOSTS, pictures=pictures, wallpapers={"waves"})


def paths(value, path=()):
    """Yield the way to each value within a value, itself included."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*path, key))
    elif isinstance(value, list):
        for place in range(len(value)):
            yield from paths(value[place], (*path, place))


def put(value, path, new):
    """Return a value in which another stands at the end of a way."""
    if not path:
        return new
    copy = json.loads(json.dumps(value))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return copy


@pytest.mark.parametrize("kind", KINDS)
def test_sound_entries_pass(kind):
    """Those of the other implementation's tests; and a pack may be empty but for its pictures."""
    check(kind, entries_of(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("new", [None, 7.5, True, -1, "", [], {}, "\u202e", "<b>", {"x": 1}])
def test_no_member_takes_just_any_value(kind, new):
    """Wherever one of these is put, the pack is refused, unless it is good there."""
    entries = entries_of(kind)
    for path in paths(entries):
        if len(path) < 2 or is_good(kind, path, new):
            continue
        with pytest.raises(ContentError):
            check(kind, put(entries, path, new))


def is_good(kind, path, new):
    """Tell whether FORMATS section 15 allows a value there."""
    name = path[-1]
    if isinstance(new, bool):
        return name == "exact"
    if new == "":
        return name == "mmsc"
    if new == "<b>":
        return name in {"mmsc", "apn"}
    if new == []:
        return name in {"numbers", "days", "*"}
    if new == {}:
        return name == "days" and kind == "greetings"
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_no_object_takes_another_member(kind):
    """Nothing can be smuggled in, at any depth."""
    entries = entries_of(kind)
    for path in paths(entries):
        if path:
            inner = entries
            for step in path:
                inner = inner[step]
            if isinstance(inner, dict):
                with pytest.raises(ContentError):
                    check(kind, put(entries, path, {**inner, "Not a member!": 1}))


@pytest.mark.parametrize(
    "key",
    ["", "/", "/A", "A/", "A//B", ".", "..", "../A", "A/..", "A/./B", "A./B", "A b", "\u0410"],
)
def test_a_zone_has_the_name_of_a_file_of_the_database(key):
    """Whoever makes files of them stays where he is."""
    with pytest.raises(ContentError, match="name of a time zone"):
        check("zones", {key: {"tzif": base64.b64encode(tzif()).decode()}})
    with pytest.raises(ContentError, match="name of a time zone"):
        check("zones", {**entries_of("zones"), key: {"link": "Asia/Jakarta"}})


@pytest.mark.parametrize("key", ["UTC", "Etc/GMT+7", "America/Port-au-Prince", "America/A.B/C_d"])
def test_zones_of_every_name_pass(key):
    """With a sign, a hyphen, a dot within, on three levels."""
    check("zones", {key: {"tzif": base64.b64encode(tzif()).decode()}})


NAMES = {
    b"+07\0": True,
    b"AHST\0": True,
    b"+07\0more\0": False,
    b"+07\0\0": False,
    b"+07\0<b>\0": False,
    b"+07\0ab\0": False,
    b"+07": False,
    b"\0+07\0": False,
    b"a b\0": False,
    b"A" * 16 + b"\0": True,
    b"A" * 17 + b"\0": False,
}


@pytest.mark.parametrize("names", NAMES)
def test_names_of_times_are_names_and_each_is_used(names):
    """What no local time is called would be a text that nobody reads."""
    entries = {"A": {"tzif": base64.b64encode(tzif(names=names)).decode()}}
    if NAMES[names]:
        check("zones", entries)
    else:
        with pytest.raises(ContentError, match="time zone has a name"):
            check("zones", entries)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"ca", "zones", "wallpapers"}))
def test_no_entry_has_just_any_key(kind):
    """Keys are narrow."""
    for entry in entries_of(kind).values():
        for key in ("", "UPPER case", "../x", "ID-", "text/en/none/1", "occasion/"):
            with pytest.raises(ContentError):
                check(kind, {**entries_of(kind), key: entry})


BROKEN = {
    "types out of order": ("apn", ("510-10", "apns", 0, "types"), ["supl", "default"]),
    "a port of 0": ("apn", ("510-10", "apns", 1, "mmsport"), 0),
    "another protocol": ("apn", ("510-10", "apns", 1, "protocol"), "IPX"),
    "numbers out of order": ("emergency", ("ID", "numbers"), ["112", "110"]),
    "a number twice": ("emergency", ("ID", "numbers"), ["112", "112"]),
    "letters in a number": ("emergency", ("ID", "numbers"), ["11a"]),
    "Arabic digits": ("emergency", ("ID", "numbers"), ["\u0661\u0661\u0662"]),
    "a link to another host": ("notices", ("end-of-support", "link"), "https://evil.example/"),
    "a link without TLS": ("notices", ("end-of-support", "link"), "http://example.com/"),
    "a link to a port": ("notices", ("end-of-support", "link"), "https://example.com:1/"),
    "a link with a user": ("notices", ("end-of-support", "link"), "https://example.com@evil.de/"),
    "a link with a fragment": ("notices", ("end-of-support", "link"), "https://example.com/#a"),
    "a script": ("notices", ("end-of-support", "body", "en"), "JavaScript:alert(1)"),
    "a page": ("features", ("private-share", "title", "en"), "see WWW.example.com"),
    "a day that is none": ("notices", ("end-of-support", "published"), "2026-02-30"),
    "an end on its first day": ("notices", ("end-of-support", "end"), "2026-01-05"),
    "an end before its first day": ("features", ("private-share", "end"), "2025-12-31"),
    "another language below": ("notices", ("end-of-support", "body"), {"en": "x", "de": "y"}),
    "no English": ("notices", ("end-of-support", "title"), {"id": "x"}),
    "a greeting of five SMS": ("greetings", ("text/id/new-year/1", "text"), "\u4e2d" * 269),
    "a holiday of another year": ("holidays", ("ID-2026", "days", 0, 0), "2025-12-31"),
    "colours that cannot be read": ("themes", ("sea", "light", "text"), "#cccccc"),
    "a wallpaper that is not there": ("themes", ("sea", "wallpaper"), "moon"),
    "a colour in capitals": ("themes", ("sea", "light", "primary"), "#FFFFFF"),
    "another picture": ("wallpapers", ("waves", "sha256"), "0" * 64),
    "a picture of another length": ("wallpapers", ("waves", "length"), 1),
    "a width of 63": ("wallpapers", ("waves", "width"), 63),
    "a height of 4097": ("wallpapers", ("waves", "height"), 4097),
    "a placeholder cut short": ("wallpapers", ("waves", "placeholder"), "L0J8Zk"),
    "a link in a circle": ("zones", ("WIB",), {"link": "WIB"}),
    "a link to nothing": ("zones", ("WIB",), {"link": "Asia/Nowhere"}),
    "base64 in another form": ("zones", ("Asia/Jakarta", "tzif"), "VFppZg"),
    "no certificate": ("ca", (next(iter(entries_of("ca"))), "der"), "AAAA"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_each_schema_forbids(name):
    """One thing at a time, all else sound."""
    kind, path, new = BROKEN[name]
    with pytest.raises(ContentError):
        check(kind, put(entries_of(kind), path, new))


def test_pictures_that_no_wallpaper_has_are_refused():
    """The index lists exactly those of the entries."""
    with pytest.raises(ContentError, match="no wallpaper has"):
        check_entries("wallpapers", {}, hosts=(), pictures={"x": File(1, "0" * 64)}, wallpapers=())


def test_themes_may_name_any_wallpaper_of_a_pack_that_was_withdrawn():
    """Or that this phone cannot read: the pack of themes is not the one that is bad."""
    check_entries("themes", entries_of("themes"), hosts=(), pictures={}, wallpapers=None)
    with pytest.raises(ContentError, match="not there"):
        check_entries("themes", entries_of("themes"), hosts=(), pictures={}, wallpapers=())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["link", "tzif", "apns", "days", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.sampled_from(["ID", "510-10", "ID-2026", "text/a/b/1", "a"]), JSON),
)
def test_whatever_is_in_a_pack_it_is_good_or_refused(kind, entries):
    """No entry brings the phone down."""
    try:
        check_entries(kind, entries, hosts=HOSTS, pictures={}, wallpapers=None)
    except ContentError:
        return
    assert kind == "wallpapers" or isinstance(entries, dict)


def test_a_zone_is_read_to_its_last_byte():
    """Each byte that goes missing, and one too many, is noticed."""
    good = tzif()
    for data in (*(good[:end] for end in range(len(good))), good + b"\n"):
        with pytest.raises(ContentError):
            check("zones", {"A": {"tzif": base64.b64encode(data).decode()}})


@pytest.mark.parametrize(
    "data",
    [
        tzif(first=FULL),
        tzif(first=EMPTY[:-7] + bytes(6) + b"a"),
        tzif(first=bytes(24)),
        tzif(first=bytes(12) + EMPTY[12:23] + b"\2" + bytes(8)),
        *(tzif()[:at] + b"\1" + tzif()[at + 1 :] for at in (5, 19, 56, 70)),
    ],
)
def test_a_zone_says_nothing_to_old_readers(data):
    """Its block of version 1 is empty, and so are its headers' reserved bytes."""
    with pytest.raises(ContentError, match=r"nothing|no local time"):
        check("zones", {"A": {"tzif": base64.b64encode(data).decode()}})


def test_an_occasion_has_days_of_its_own_in_every_country():
    """As many places as two letters can name, and everywhere: no other number is a limit."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    days = {one + other: ["2026-01-01"] for one in letters for other in letters}
    entry = {"days": {**days, "*": []}, "name": {"en": "New Year"}}
    check("greetings", {"occasion/new-year": entry})


@pytest.mark.parametrize("name", EXTENSIONS_OF_ODD_FORM)
def test_a_certificate_with_an_extension_that_no_library_reads(name):
    """It is taken: what a chain means is asked elsewhere, and signer and server take it, too."""
    der = make_certificate(EXTENSIONS_OF_ODD_FORM[name], CONSTRAINTS)
    entry = {"der": base64.b64encode(der).decode(), "name": "Odd"}
    check("ca", {hashlib.sha256(der).hexdigest(): entry})
