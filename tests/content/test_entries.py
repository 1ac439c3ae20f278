"""Entries of each kind: server and phone apply the same rules, each by its own code."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_sim.content.fetch import check_entries as check_on_phone
from client_sim.content.index import File
from server.core.content.role import check_entries as check_on_server
from tests.certificates import CONSTRAINTS, EXTENSIONS_OF_ODD_FORM, make_certificate
from tests.content.judges import Rule
from tests.server.core.content.samples import (
    COLOURS,
    DER,
    FULL,
    KINDS,
    NEWS,
    b64,
    certificate,
    entries_of,
    tzif,
)
from tests.server.core.mutations import mutated

HOSTS = ("example.com",)


def ask_phone(kind, entries):
    """Have the phone check entries, with the pictures that they name listed beside them."""
    pictures = {}
    if kind == "wallpapers" and isinstance(entries, dict):
        pictures = {
            key: File(entry["length"], entry.get("sha256"))
            for key, entry in entries.items()
            if isinstance(entry, dict) and isinstance(entry.get("length"), int)
        }
    check_on_phone(kind, entries, hosts=HOSTS, pictures=pictures, wallpapers=None)


ENTRIES = Rule(lambda kind, entries: check_on_server(kind, entries, HOSTS), ask_phone)


def refused(kind, entries, sentence):
    """Check that both refuse entries; the server's message has kind, key and sentence."""
    ENTRIES.check_refused(kind, entries, server=rf"the entry '[^']+' of {kind}: .*{sentence}")


REMOVED = object()


def changed(kind, key, **members):
    """Return the sample with one entry's members changed, removed or added."""
    entries = entries_of(kind)
    entry = entries.setdefault(key, dict(next(iter(entries.values()))))
    for name, value in members.items():
        entry[name] = value
        if value is REMOVED:
            del entry[name]
    return entries


def apn(**members):
    """Return a pack of one access point with members changed."""
    return {"510-10": {"apns": [{"apn": "a", "carrier": "C", "types": ["default"]} | members]}}


def moved(kind, key, to):
    """Return the sample with an entry under another key."""
    entries = entries_of(kind)
    entries[to] = entries.pop(key)
    return entries


def ca(der):
    """Return a pack of one certificate."""
    return {hashlib.sha256(der).hexdigest(): {"der": b64(der), "name": "Root"}}


def numbers(*numbers):
    """Return a pack of one country's emergency numbers."""
    return {"ID": {"exact": True, "numbers": [*numbers]}}


def zone(data):
    """Return a pack of one zone."""
    return {"Asia/Jakarta": {"tzif": b64(data)}}


def news(**members):
    """Return a pack of one notice with members changed."""
    entry = {name: value for name, value in (NEWS | members).items() if value is not REMOVED}
    return {"a-notice": entry}


TEXT, LOVE, LONG = "text/id/new-year/1", "occasion/love", "abc-defghijk-lmnop"


def greeting(key=TEXT, **members):
    """Return greetings with an entry changed."""
    return changed("greetings", key, **members)


@pytest.mark.parametrize("kind", KINDS)
def test_each_rule_has_its_message(kind) -> None:
    """A message names kind, key and rule; valid entries and an empty pack are accepted."""
    assert ENTRIES.accepts(kind, entries_of(kind))
    assert ENTRIES.accepts(kind, {})
    rows = [(entries, sentence) for of, entries, sentence in BROKEN if of == kind]
    assert rows
    for entries, sentence in rows:
        refused(kind, entries, sentence)


#: Kind, entries that break one rule, and the server's message.
BROKEN = [
    ("apn", moved("apn", "ID", "id"), "neither MCC-MNC nor a country"),
    ("apn", moved("apn", "510-10", "510-1"), "neither MCC-MNC"),
    ("apn", moved("apn", "510-10", "510-1000"), "neither MCC-MNC"),
    ("apn", {"510-10": {"apns": []}}, "length >= 1"),
    ("apn", {"510-10": {"apns": apn()["510-10"]["apns"] * 201}}, "length <= 200"),
    ("apn", apn(apn=""), "regex"),
    ("apn", apn(apn="ü"), "regex"),
    ("apn", apn(apn="a" * 101), "regex"),
    ("apn", apn(user="a\n"), "regex"),
    ("apn", apn(user="a" * 101), "length <= 100"),
    ("apn", apn(mmsc="a" * 201), "length <= 200"),
    ("apn", apn(carrier="<C>"), r"holds .<."),
    ("apn", apn(carrier="C" * 101), "101 characters"),
    ("apn", apn(auth="md5"), "Invalid enum"),
    ("apn", apn(protocol="ip"), "Invalid enum"),
    ("apn", apn(port=0), ">= 1"),
    ("apn", apn(port=65536), "<= 65535"),
    ("apn", apn(port="80"), "Expected `int`"),
    ("apn", apn(port=True), "Expected `int`"),
    ("apn", apn(types=[]), "length >= 1"),
    ("apn", apn(types=["*"]), "Invalid enum"),
    ("apn", apn(types=["mms", "default"]), "not ascending"),
    ("apn", apn(types=["mms", "mms"]), "not ascending"),
    ("ca", {"0" * 64: {"der": b64(DER), "name": "Root"}}, "not the sha256"),
    ("ca", ca(certificate(ca=False)), "not those of a CA"),
    ("ca", ca(bytes(8193)), "more than 8192"),
    ("ca", {"0" * 64: {"der": b64(DER) + "=", "name": "R"}}, "base64"),
    ("emergency", moved("emergency", "ID", "IDN"), "not a country"),
    ("emergency", {"ID": {"exact": 1, "numbers": []}}, "Expected `bool`"),
    ("emergency", numbers("112", "110"), "not ascending"),
    ("emergency", numbers("1"), "regex"),
    ("emergency", numbers("123456789"), "regex"),
    ("emergency", numbers("11a"), "regex"),
    ("emergency", numbers(112), "Expected `str`"),
    ("emergency", numbers(*map(str, range(100, 301))), "length <= 200"),
    ("zones", {"A/B": {}}, "exactly one of tzif and link"),
    ("zones", {"A/B": {"link": "A/B", "tzif": b64(tzif())}}, "exactly one of"),
    ("zones", {"A/B": {"link": "A/C"}}, "links to 'A/C', which has no tzif"),
    ("zones", entries_of("zones") | {"A/B": {"link": "WIB"}}, "links to 'WIB'"),
    ("zones", moved("zones", "WIB", "../WIB"), "not the name of a time zone"),
    ("zones", zone(b""), "ends within a header"),
    ("zones", zone(b"TZif1" + tzif()[5:]), "version 2 to 4"),
    ("zones", zone(tzif()[:-1]), "footer"),
    ("zones", zone(tzif() + b"x\n"), "not a TZ string"),
    ("zones", zone(tzif(footer=b"rm -rf")), "not a TZ string"),
    ("zones", zone(tzif(offset=93_600)), "out of range"),
    ("zones", zone(tzif(first=FULL)), "block of version 1 is not empty"),
    ("zones", zone(tzif().replace(bytes(15), bytes(14) + b"a", 1)), "reserved bytes"),
    ("zones", zone(tzif(names=b"<b\0")), "designation"),
    ("zones", zone(tzif(names=b"+07")), "no end"),
    ("zones", zone(tzif(names=b"+07\0more\0")), "designation that no local time uses"),
    ("zones", zone(bytes(65_537)), "more than 65536"),
    ("features", {"A": NEWS}, "the key is not"),
    ("notices", news(severity="high"), "Invalid enum"),
    ("notices", news(title={"id": "a"}, body={"id": "a"}), "including en"),
    ("notices", news(title={"en": "a"}), "same locales"),
    ("notices", news(title={"en": "a\n", "id": "a"}), r"en: a text holds U\+000A"),
    ("notices", news(title={"en": "a" * 121, "id": "a"}), "121 characters"),
    ("notices", news(body={"en": "a" * 2001, "id": "a"}), "2001 characters"),
    ("notices", news(body={"en": "<script>", "id": "a"}), r"holds .<."),
    ("notices", news(body={"en": "www.example.com", "id": "a"}), "only in the member"),
    ("notices", news(body={"en": "a\u202eb", "id": "a"}), r"U\+202E"),
    ("notices", news(published="2026-02-30"), "is not a day of the calendar"),
    ("notices", news(end="2026-13-01"), "is not a day of the calendar"),
    ("notices", news(end=NEWS["published"]), "end must be after published"),
    ("features", news(end="2025-12-31"), "end must be after published"),
    ("notices", news(link="https://example.org/"), "not an allowed host"),
    ("notices", news(link="javascript:alert(1)"), "not of the form"),
    ("notices", news(models=[]), "length >= 1"),
    ("notices", news(models=["tables"]), "not a codename"),
    ("notices", news(models=[f"m{n}" for n in range(65)]), "length <= 64"),
    ("notices", news(title={"EN": "a"}), "regex"),
    ("greetings", moved("greetings", LOVE, "occasion/Love"), "the key is neither"),
    ("greetings", moved("greetings", TEXT, "text/id/x/1"), "no occasion 'x'"),
    ("greetings", moved("greetings", TEXT, "text/ID/love/1"), "not a locale"),
    ("greetings", moved("greetings", TEXT, f"text/{LONG}/new-year/1"), "not a locale"),
    ("greetings", moved("greetings", TEXT, "text/id/love/01"), "key is neith"),
    ("greetings", greeting(text="ş" * 269), "5 SMS segments"),
    ("greetings", greeting(text="a" * 501), "501 characters"),
    ("greetings", greeting(licence=""), "regex"),
    ("greetings", greeting(author=""), "length >= 1"),
    ("greetings", greeting(LOVE, days={"id": []}), "neither a country"),
    ("greetings", greeting(LOVE, name={}), "length >= 1"),
    ("greetings", greeting(LOVE, days={"ID": ["2026-01-02", "2026-01-01"]}), "of ID are not asc"),
    ("greetings", greeting(LOVE, days={"*": ["2026-01-01"] * 65}), "length <= 64"),
    ("holidays", moved("holidays", "ID-2026", "ID-2027"), "not in 2027"),
    ("holidays", moved("holidays", "ID-2026", "ID-26"), "COUNTRY-YEAR"),
    ("holidays", {"ID-2026": {"days": [["2026-01-01", {"en": "a"}]] * 2}}, "not ascending"),
    ("holidays", {"ID-2026": {"days": [["2026-01-01", {"en": "a\u200f"}]]}}, r"U\+200F"),
    ("holidays", {"ID-2026": {"days": [["2026-01-01"]]}}, "length 2"),
    ("themes", changed("themes", "sea", light=COLOURS | {"text": "#777777"}), "is 4.48"),
    ("themes", changed("themes", "sea", light=COLOURS | {"text": "#FFF000"}), "regex"),
    ("themes", changed("themes", "sea", dark=COLOURS | {"more": "#ffffff"}), "unknown field"),
    ("themes", changed("themes", "sea", wallpaper="../x"), "is not a name"),
    ("themes", moved("themes", "sea", "Sea"), "is not a name"),
    ("wallpapers", changed("wallpapers", "waves", width=63), ">= 64"),
    ("wallpapers", changed("wallpapers", "waves", height=4097), "<= 4096"),
    ("wallpapers", changed("wallpapers", "waves", length=8_388_609), "<= 8388608"),
    ("wallpapers", changed("wallpapers", "waves", sha256="A" * 64), "not a sha256"),
    ("wallpapers", changed("wallpapers", "waves", placeholder="00J8Z "), "not a BlurHash"),
    ("wallpapers", changed("wallpapers", "waves", placeholder="L0J8Zk"), "not a BlurHash"),
    ("wallpapers", moved("wallpapers", "waves", "a.b"), "is not a name"),
    ("emergency", numbers("112", "112"), "not ascending"),
    ("emergency", numbers("\u0661\u0661\u0662"), "regex"),
    ("notices", news(title={"en": "Visit evil.com", "id": "a"}), "turn into a link"),
    ("greetings", greeting(text="tel:1"), "turn into a link"),
    ("greetings", greeting(author="evil.com"), "turn into a link"),
    ("greetings", greeting(LOVE, name={"en": "&lt;"}), "is markup"),
    ("holidays", {"ID-2026": {"days": [["2026-01-01", {"id": "t.me/x"}]]}}, "turn into a link"),
    ("apn", apn(carrier=" "), "nothing that can be seen"),
    ("notices", news(body={"en": "x", "de": "y"}), "same locales"),
    ("holidays", {"ID-2026": {"days": [["2025-12-31", {"en": "a"}]]}}, "not in 2026"),
]


def test_optional_members_and_limits() -> None:
    """Members of a notice are optional, and values at their limits are accepted.

    A contrast of 4.54 is enough, and an occasion may have days of every country.
    """
    assert ENTRIES.accepts("notices", news(end=REMOVED, link=REMOVED, models=REMOVED))
    readable = changed("themes", "sea", light=COLOURS | {"text": "#767676"})
    assert ENTRIES.accepts("themes", readable)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    days = {one + other: ["2026-01-01"] for one in letters for other in letters}
    entry = {"days": {**days, "*": []}, "name": {"en": "New Year"}}
    assert ENTRIES.accepts("greetings", {"occasion/new-year": entry})
    for odd in EXTENSIONS_OF_ODD_FORM.values():
        assert ENTRIES.accepts("ca", ca(make_certificate(odd, CONSTRAINTS)))


def paths(value, path=()):
    """Yield the path to each value inside a value, including itself."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*path, key))
    elif isinstance(value, list):
        for place in range(len(value)):
            yield from paths(value[place], (*path, place))


def put(value, path, new):
    """Return a copy of a value with `new` at a path."""
    if not path:
        return new
    copy = json.loads(json.dumps(value))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return copy


WRONG = [None, 7.5, True, -1, "", [], {}, "\u202e", "<b>", {"x": 1}]
OTHERS = [
    *(0, 2**53, 65_536, "0", "a", "a b", "a\n", "A" * 70, "a" * 2_100),
    *("\u017f", "DATA:", "\u212a", "\u00e9", "e\u0301", "1" * 9, "2026-01-01"),
    *("https://example.com/", "#000000", "tables", "en", {"en": "x"}, {"xx-1": "y"}),
    *("2026-01-05", "2026-01-06", "2025-12-31"),
    *({"en": "x\ny"}, ["2026-01-01"], ["2026-01-02", "2026-01-01"], ["112", "112"], ["tables"]),
    *(["default"], ["default", "default"], {"link": "Asia/Jakarta"}, {"tzif": "VFppZg=="}),
]


def may_be(kind, path, new):
    """Return whether FORMATS section 15 allows a value of WRONG at a path."""
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
def test_single_exchanged_values(kind):
    """Both agree about valid entries with one value exchanged.

    Values that no member allows are refused, and so is an unknown member of any object.
    """
    entries = entries_of(kind)
    for path in paths(entries):
        if not path:
            continue
        for value in (*WRONG, *OTHERS):
            accepted = ENTRIES.accepts(kind, put(entries, path, value))
            if len(path) > 1 and any(value is each for each in WRONG):
                assert accepted <= may_be(kind, path, value), (path, value)
        inner = entries
        for step in path:
            inner = inner[step]
        if isinstance(inner, dict):
            more = put(entries, path, {**inner, "Not a member!": 1})
            assert not ENTRIES.accepts(kind, more), path


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"ca", "zones", "wallpapers"}))
def test_invalid_keys_are_refused(kind):
    """Keys of another form are refused."""
    for entry in entries_of(kind).values():
        for key in ("", "UPPER case", "../x", "ID-", "text/en/none/1", "occasion/"):
            assert not ENTRIES.accepts(kind, {**entries_of(kind), key: entry}), key


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)  # ten times
@given(st.data())
def test_mutated_entries(kind, data):
    """Both agree about entries with random changes, and raise only their own errors."""
    ENTRIES.accepts(kind, data.draw(mutated(lambda: entries_of(kind))))
