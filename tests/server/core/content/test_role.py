"""The packs of a role, read from their bytes: rules across kinds, and pictures."""

import contextlib
import hashlib
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.content.role import check_entries, check_packs
from server.core.errors import FormatError
from tests.server.core.content.samples import (
    COLOURS,
    DER,
    FULL,
    HOSTS,
    KINDS,
    NEWS,
    PICTURE,
    b64,
    certificate,
    entries_of,
    jpeg,
    make_pack_role,
    pack,
    segment,
    tzif,
)
from tests.server.core.mutations import mutated

CONTENT = ("themes", "wallpapers", "notices", "greetings", "holidays", "features")


def make(kinds=CONTENT, role="content", **options):
    """Return a role of these kinds and the bytes of its targets."""
    return make_pack_role(role, {kind: entries_of(kind) for kind in kinds}, **options)


def test_sound_packs_pass():
    """Of both roles, as a first version and as a later one."""
    for role in ("tables", "content"):
        kinds = [kind for kind in KINDS if (kind in CONTENT) == (role == "content")]
        made, files = make(kinds, role)
        check_packs(role, None, made, files.__getitem__)
        check_packs(role, made, made, files.__getitem__)


def test_a_bad_part_is_found():
    """In any pack, also if only the hosts changed."""
    made, files = make()
    bad = lzma.compress(b"[]\n", lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)
    with pytest.raises(FormatError, match="part 5 of greetings is malformed"):
        check_packs("content", None, made, (files | {"content/greetings/05.xz": bad}).__getitem__)
    after, _ = make()
    after.unrecognized_fields["custom"]["hosts"] = []
    with pytest.raises(FormatError, match=r"'end-of-support' of notices.*not an allowed host"):
        check_packs("content", made, after, files.__getitem__)


def test_a_theme_needs_its_wallpaper():
    """It is in another pack of the same role; a withdrawn theme does not count."""
    made, files = make(["themes"])
    with pytest.raises(FormatError, match="'sea' of themes: there is no wallpaper 'waves'"):
        check_packs("content", None, made, files.__getitem__)
    made, files = make(packs={"wallpapers": pack(withdrawn=[1])})
    check_packs("content", None, made, files.__getitem__)


def test_what_is_withdrawn_is_not_read():
    """A bad pack can be withdrawn."""
    made, _ = make(["notices"], packs={"notices": pack(withdrawn=[1])})
    check_packs("content", None, made, {}.__getitem__)


def test_pictures_are_those_of_the_entries():
    """Exactly those, with length and hash; checked if the pack is new."""
    made, files = make(pictures={"waves": jpeg(64, 72)})
    with pytest.raises(FormatError, match="'waves' of wallpapers: its picture is not listed"):
        check_packs("content", None, made, files.__getitem__)
    more = {"content/wallpapers/waves.jpg", "content/wallpapers/more.jpg"}
    made, files = make(["wallpapers"])
    target = made.targets["content/wallpapers/waves.jpg"]
    made.targets |= dict.fromkeys(more, target)
    with pytest.raises(FormatError, match=r"more\.jpg is listed, and no entry"):
        check_packs("content", None, made, files.__getitem__)


def test_a_picture_that_is_none_is_refused_once():
    """If its pack is new; a picture with EXIF, for example."""
    entries = entries_of("wallpapers")
    exif = PICTURE[:20] + segment(0xE1, b"Exif\0\0") + PICTURE[20:]
    entries["waves"] |= {"length": len(exif), "sha256": hashlib.sha256(exif).hexdigest()}
    made, files = make_pack_role("content", {"wallpapers": entries}, pictures={"waves": exif})
    with pytest.raises(FormatError, match="'waves' of wallpapers: a picture has a segment FFE1"):
        check_packs("content", None, made, files.__getitem__)
    check_packs("content", made, made, files.__getitem__)
    entries["waves"]["width"] = 65
    made, files = make_pack_role("content", {"wallpapers": entries}, pictures={"waves": PICTURE})
    entries["waves"] |= {"length": len(PICTURE), "sha256": hashlib.sha256(PICTURE).hexdigest()}
    made, files = make_pack_role("content", {"wallpapers": entries})
    with pytest.raises(FormatError, match="is 64x64, not 65x64"):
        check_packs("content", None, made, files.__getitem__)


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


def zone(data):
    """Return a pack of one zone."""
    return {"Asia/Jakarta": {"tzif": b64(data)}}


def news(**members):
    """Return a pack of one notice with members changed."""
    entry = {name: value for name, value in (NEWS | members).items() if value is not REMOVED}
    return {"a-notice": entry}


def greeting(**members):
    """Return greetings with a text changed."""
    return changed("greetings", "text/id/new-year/1", **members)


@pytest.mark.parametrize("kind", KINDS)
def test_the_samples_pass(kind):
    """And so does a pack without entries."""
    check_entries(kind, entries_of(kind), HOSTS)
    check_entries(kind, {}, ())


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_members_are_refused(kind):
    """An entry is an object with exactly the members of the table."""
    for key in entries_of(kind):
        with pytest.raises(FormatError, match=rf"'{key}' of {kind}: .*unknown field"):
            check_entries(kind, changed(kind, key, more=1), HOSTS)
        with pytest.raises(FormatError, match=rf"of {kind}: Expected `object`"):
            check_entries(kind, entries_of(kind) | {key: []}, HOSTS)


def test_an_unknown_kind_has_no_entries():
    """Whatever its content."""
    with pytest.raises(FormatError, match="'jokes' is no kind"):
        check_entries("jokes", {}, ())


@pytest.mark.parametrize(
    ("kind", "entries", "sentence"),
    [
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
        ("ca", ca(certificate(ca=False)), "not of a CA"),
        ("ca", ca(certificate(constraints=False)), "does not have basic constraints"),
        ("ca", ca(DER + b"\0"), "not one certificate|not DER"),
        ("ca", ca(DER[:-1]), "not DER"),
        ("ca", ca(b""), "not one certificate"),
        ("ca", ca(bytes(8193)), "more than 8192"),
        ("ca", {"0" * 64: {"der": b64(DER) + "=", "name": "R"}}, "base64"),
        ("emergency", moved("emergency", "ID", "IDN"), "not a country"),
        ("emergency", {"ID": {"exact": 1, "numbers": []}}, "Expected `bool`"),
        ("emergency", {"ID": {"exact": True, "numbers": ["112", "110"]}}, "not ascending"),
        ("emergency", {"ID": {"exact": True, "numbers": ["1"]}}, "regex"),
        ("emergency", {"ID": {"exact": True, "numbers": ["123456789"]}}, "regex"),
        ("emergency", {"ID": {"exact": True, "numbers": ["11a"]}}, "regex"),
        ("emergency", {"ID": {"exact": True, "numbers": [112]}}, "Expected `str`"),
        (
            "emergency",
            {"ID": {"exact": True, "numbers": [str(n) for n in range(100, 301)]}},
            "length <= 200",
        ),
        ("zones", {"A/B": {}}, "exactly one of tzif and link"),
        ("zones", {"A/B": {"link": "A/B", "tzif": b64(tzif())}}, "exactly one of"),
        ("zones", {"A/B": {"link": "A/C"}}, "links to 'A/C', which has no tzif"),
        ("zones", entries_of("zones") | {"A/B": {"link": "WIB"}}, "links to 'WIB'"),
        ("zones", moved("zones", "WIB", "../WIB"), "not the name of a time zone"),
        ("zones", moved("zones", "WIB", "/WIB"), "not the name of a time zone"),
        ("zones", moved("zones", "WIB", "a//b"), "not the name of a time zone"),
        ("zones", zone(b""), "ends within a header"),
        ("zones", zone(b"TZif1" + tzif()[5:]), "version 2 to 4"),
        ("zones", zone(tzif()[:-1]), "footer"),
        ("zones", zone(tzif() + b"x\n"), "no TZ string"),
        ("zones", zone(tzif(footer=b"rm -rf")), "no TZ string"),
        ("zones", zone(tzif(offset=93_600)), "out of range"),
        ("zones", zone(tzif(first=FULL)), "block of version 1 is not empty"),
        ("zones", zone(tzif().replace(bytes(15), bytes(14) + b"a", 1)), "header has nothing"),
        ("zones", zone(tzif(names=b"<b\0")), "designation"),
        ("zones", zone(tzif(names=b"+07")), "no end"),
        ("zones", zone(tzif(names=b"+07\0more\0")), "designation that no local time has"),
        ("zones", zone(tzif(names=b"+07\0\0")), "designation that no local time has"),
        ("zones", moved("zones", "WIB", "A/./B"), "not the name of a time zone"),
        ("zones", moved("zones", "WIB", "A./B"), "not the name of a time zone"),
        ("zones", zone(bytes(65_537)), "more than 65536"),
        ("features", {"A": NEWS}, "the key is not"),
        ("notices", news(severity="high"), "Invalid enum"),
        ("notices", news(title={"id": "a"}, body={"id": "a"}), "en among them"),
        ("notices", news(title={"en": "a"}), "same locales"),
        ("notices", news(title={"en": "a\n", "id": "a"}), r"en: a text holds U\+000A"),
        ("notices", news(title={"en": "a" * 121, "id": "a"}), "121 characters"),
        ("notices", news(body={"en": "a" * 2001, "id": "a"}), "2001 characters"),
        ("notices", news(body={"en": "<script>", "id": "a"}), r"holds .<."),
        ("notices", news(body={"en": "www.example.com", "id": "a"}), "a link is a member"),
        ("notices", news(body={"en": "a\u202eb", "id": "a"}), r"U\+202E"),
        ("notices", news(published="2026-02-30"), "is no day of the calendar"),
        ("notices", news(end="2026-13-01"), "is no day of the calendar"),
        ("notices", news(end=NEWS["published"]), "ends before it is shown"),
        ("features", news(end="2025-12-31"), "ends before it is shown"),
        ("notices", news(link="https://example.org/"), "not an allowed host"),
        ("notices", news(link="javascript:alert(1)"), "not of the form"),
        ("notices", news(models=[]), "length >= 1"),
        ("notices", news(models=["tables"]), "not a codename"),
        ("notices", news(models=[f"m{n}" for n in range(65)]), "length <= 64"),
        ("notices", news(title={"EN": "a"}), "regex"),
        ("greetings", moved("greetings", "occasion/love", "occasion/Love"), "the key is neither"),
        ("greetings", moved("greetings", "text/id/new-year/1", "text/id/x/1"), "no occasion 'x'"),
        ("greetings", moved("greetings", "text/id/new-year/1", "text/ID/love/1"), "not a locale"),
        ("greetings", moved("greetings", "text/id/new-year/1", "text/id/love/01"), "key is neith"),
        ("greetings", greeting(text="ş" * 269), "5 SMS segments"),
        ("greetings", greeting(text="a" * 501), "501 characters"),
        ("greetings", greeting(licence=""), "regex"),
        ("greetings", greeting(author=""), "length >= 1"),
        ("greetings", changed("greetings", "occasion/love", days={"id": []}), "neither a country"),
        ("greetings", changed("greetings", "occasion/love", name={}), "length >= 1"),
        (
            "greetings",
            changed("greetings", "occasion/love", days={"ID": ["2026-01-02", "2026-01-01"]}),
            "days of ID are not ascending",
        ),
        (
            "greetings",
            changed("greetings", "occasion/love", days={"*": ["2026-01-01"] * 65}),
            "length <= 64",
        ),
        ("holidays", moved("holidays", "ID-2026", "ID-2027"), "not in 2027"),
        ("holidays", moved("holidays", "ID-2026", "ID-26"), "COUNTRY-YEAR"),
        ("holidays", {"ID-2026": {"days": [["2026-01-01", {"en": "a"}]] * 2}}, "not ascending"),
        ("holidays", {"ID-2026": {"days": [["2026-01-01", {"en": "a\u200f"}]]}}, r"U\+200F"),
        ("holidays", {"ID-2026": {"days": [["2026-01-01"]]}}, "length 2"),
        ("themes", changed("themes", "sea", light=COLOURS | {"text": "#777777"}), "is 4.48"),
        ("themes", changed("themes", "sea", light=COLOURS | {"text": "#FFF000"}), "regex"),
        ("themes", changed("themes", "sea", dark=COLOURS | {"more": "#ffffff"}), "unknown field"),
        ("themes", changed("themes", "sea", wallpaper="../x"), "is no name"),
        ("themes", moved("themes", "sea", "Sea"), "is no name"),
        ("wallpapers", changed("wallpapers", "waves", width=63), ">= 64"),
        ("wallpapers", changed("wallpapers", "waves", height=4097), "<= 4096"),
        ("wallpapers", changed("wallpapers", "waves", length=8_388_609), "<= 8388608"),
        ("wallpapers", changed("wallpapers", "waves", sha256="A" * 64), "not a sha256"),
        ("wallpapers", changed("wallpapers", "waves", placeholder="00J8Z "), "not a BlurHash"),
        ("wallpapers", changed("wallpapers", "waves", placeholder="L0J8Zk"), "not a BlurHash"),
        ("wallpapers", moved("wallpapers", "waves", "a.b"), "is no name"),
    ],
)
def test_each_rule_has_its_sentence(kind, entries, sentence):
    """It names kind, key and rule."""
    with pytest.raises(FormatError, match=rf"the entry '[^']+' of {kind}: .*{sentence}"):
        check_entries(kind, entries, HOSTS)


def test_optional_members_may_be_absent():
    """Those of a notice; and a contrast of 4.54 is enough."""
    check_entries("notices", news(end=REMOVED, link=REMOVED, models=REMOVED), ())
    check_entries("themes", changed("themes", "sea", light=COLOURS | {"text": "#767676"}), ())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)  # ten times
@given(st.data())
def test_entries_that_are_changed_anywhere_raise_only_our_error(kind, data):
    """Any value at any place; a key that has no valid encoding is refused as well."""
    entries = data.draw(mutated(lambda: entries_of(kind)))
    with contextlib.suppress(FormatError):
        check_entries(kind, entries, HOSTS)
