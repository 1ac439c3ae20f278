"""Which packs may be signed."""

import hashlib
import io

import pytest
from PIL import Image

from server.core.content.picture import picture_size
from signer.content.errors import ContentError
from signer.content.validate import (
    check_decodes,
    check_has_enough,
    check_name,
    check_packs_to_sign,
    check_prose,
)
from tests import jpegs, texts
from tests.server.core.content.samples import HOSTS, KINDS, NEWS, PICTURE, entries_of, jpeg
from tests.signer.content.packs import make


def pictured(picture, **changes):
    """Return a pack of one wallpaper with that picture."""
    entry = entries_of("wallpapers")["waves"] | changes
    entry |= {"length": len(picture), "sha256": hashlib.sha256(picture).hexdigest()}
    return make("wallpapers", {"waves": entry}, pictures={"waves": picture})


def encode(**options):
    """Return a picture as Pillow writes it."""
    data = io.BytesIO()
    Image.effect_mandelbrot((80, 64), (-2, -1.5, 1, 1.5), 40).convert(
        options.pop("mode", "RGB")
    ).save(data, "JPEG", **options)
    return data.getvalue()


def test_sound_packs_may_be_signed() -> None:
    """One of each kind together."""
    check_packs_to_sign([make(kind) for kind in KINDS], HOSTS)


def test_a_kind_is_given_once() -> None:
    """Which of two would be meant, nobody knows."""
    with pytest.raises(ContentError, match="given twice"):
        check_packs_to_sign([make("notices"), make("notices")], HOSTS)


def test_entries_are_judged() -> None:
    """By their kind's rules, with the hosts that are given."""
    with pytest.raises(ContentError, match=r"'end-of-support' of notices: .*not an allowed host"):
        check_packs_to_sign([make("notices")], [])
    with pytest.raises(ContentError, match="'A' of features: the key"):
        check_packs_to_sign([make("features", {"A": NEWS})], HOSTS)


def test_a_theme_is_held_against_the_wallpapers_that_there_are() -> None:
    """Those beside it, or those that are published; where nobody can tell, it passes."""
    check_packs_to_sign([make("themes")], ())
    check_packs_to_sign([make("themes")], (), ["waves"])
    for arguments in (
        [[make("themes")], (), []],
        [[make("themes"), make("wallpapers", {}, pictures={})], ()],
    ):
        with pytest.raises(ContentError, match="no wallpaper 'waves'"):
            check_packs_to_sign(*arguments)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"mode": "L"}, {"quality": 95, "subsampling": 0}]
)
def test_pictures_as_pillow_writes_them(options) -> None:
    """Baseline, progressive, grey, without subsampling."""
    check_packs_to_sign([pictured(encode(**options), width=80)], ())


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (encode(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"), "FFE1"),
        (encode(comment=b"by me"), "FFFE"),
        (encode(icc_profile=b"profile"), "FFE2"),
        (encode(mode="CMYK"), "FFEE|8 bits in 1 or 3"),
        (jpeg(128, 64), "is 128x64, not 80x64"),
    ],
)
def test_pictures_that_hold_something_else(picture, sentence) -> None:
    """Meta data, comments, profiles, four colours, another size."""
    with pytest.raises(ContentError, match=f"'waves' of wallpapers: .*(?:{sentence})"):
        check_packs_to_sign([pictured(picture, width=80)], ())


def test_pictures_and_entries_are_pairs() -> None:
    """None without the other."""
    with pytest.raises(ContentError, match="'waves' of wallpapers: a picture does not begin"):
        check_packs_to_sign([make("wallpapers", pictures={})], ())
    with pytest.raises(ContentError, match=r"picture more\.jpg has no entry"):
        check_packs_to_sign([make("wallpapers", pictures={"waves": PICTURE, "more": PICTURE})], ())


def test_a_picture_is_the_one_of_its_entry() -> None:
    """By length and hash."""
    with pytest.raises(
        ContentError, match=r"'waves' of wallpapers: .*is not of its sha256 and length"
    ):
        check_packs_to_sign(
            [make("wallpapers", pictures={"waves": jpeg()[:-2] + b"\0\xff\xd9"})], ()
        )


@pytest.mark.parametrize("text", [*texts.PLAIN, *texts.NAMES])
def test_what_only_looks_a_little_like_a_link_is_taken(text) -> None:
    """Numbers, abbreviations, times; and names as carriers and authorities have them."""
    check_name(text)
    if text in texts.PLAIN:
        check_prose(text)
    else:
        with pytest.raises(ContentError, match="looks like a"):
            check_prose(text)


@pytest.mark.parametrize("text", texts.LEADING)
def test_what_a_program_makes_a_link_of_is_refused(text) -> None:
    """A domain's name, or a scheme, also within a sentence."""
    for each in (text, f"\u89c1 {text} b"):
        with pytest.raises(ContentError, match=r"which looks like a (domain|link's scheme)"):
            check_prose(each)


@pytest.mark.parametrize("text", texts.ADDRESSES)
def test_what_a_program_takes_for_the_address_of_a_host_is_refused(text) -> None:
    """Of either version of IP, also within a sentence."""
    for each in (text, f"\u89c1 {text} b"):
        with pytest.raises(ContentError, match="which looks like a host's address"):
            check_prose(each)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [*((e, "is markup") for e in texts.ENTITIES), *((u, "can be seen") for u in texts.UNSEEN)],
)
def test_markup_and_nothing_are_refused_in_names_too(text, sentence) -> None:
    """Characters as HTML writes them; spaces, and marks upon nothing."""
    with pytest.raises(ContentError, match=sentence):
        check_name(text)


@pytest.mark.parametrize(
    ("kind", "key", "member", "value"),
    [
        ("apn", "ID", "apns", [{"apn": "x", "carrier": " ", "types": ["default"]}]),
        ("notices", "end-of-support", "title", {"en": "Visit evil.com"}),
        ("greetings", "text/id/new-year/1", "text", "tel:1"),
        ("greetings", "text/id/new-year/1", "author", "evil.com"),
        ("greetings", "occasion/new-year", "name", {"en": "&lt;"}),
        ("holidays", "ID-2026", "days", [["2026-01-01", {"id": "t.me/x"}]]),
    ],
)
def test_packs_are_held_to_it(kind, key, member, value, monkeypatch) -> None:
    """By the signer's own code: what the server has of it is not asked here."""
    monkeypatch.setattr("signer.content.validate.check_entries", lambda *_: None)
    entries = entries_of(kind)
    entries.setdefault(key, NEWS)
    pack = make(kind, {**entries, key: {**entries[key], member: value}})
    with pytest.raises(ContentError, match=f"The entry '{key}' of {kind}: a text"):
        check_packs_to_sign([pack], ["example.com"])


def test_news_that_end_before_they_are_shown(monkeypatch) -> None:
    """Nobody would ever see them, as their end is the first day without them."""
    check_packs_to_sign([make("notices", {"a": {**NEWS, "end": "2026-01-06"}})], ["example.com"])
    monkeypatch.setattr("signer.content.validate.check_entries", lambda *_: None)
    for end in (NEWS["published"], "2026-01-04"):
        pack = make("notices", {"a": {**NEWS, "end": end}})
        with pytest.raises(ContentError, match="The entry 'a' of notices: it ends before it is s"):
            check_packs_to_sign([pack], ["example.com"])


@pytest.mark.parametrize("kind", ["apn", "ca", "greetings", "holidays", "notices", "zones"])
def test_sound_packs_pass(kind) -> None:
    """With all of the rules."""
    check_packs_to_sign([make(kind)], ["example.com"])


def numbers(count):
    """Return a pack of emergency numbers of so many countries."""
    entries = {f"A{chr(65 + each)}": {"exact": True, "numbers": ["110"]} for each in range(count)}
    return make("emergency", entries)


def test_a_pack_without_entries() -> None:
    """Is refused, also where the loss is accepted."""
    with pytest.raises(ContentError, match="emergency would have no entry; is the source whole"):
        check_has_enough(numbers(0), None)


@pytest.mark.parametrize(("before", "after"), [(10, 8), (5, 4), (3, 3), (1, 2)])
def test_a_fifth_may_go(before, after) -> None:
    """Without a question."""
    check_has_enough(numbers(after), numbers(before))


@pytest.mark.parametrize(("before", "after"), [(10, 7), (4, 3), (2, 1)])
def test_more_than_a_fifth_is_asked_about(before, after) -> None:
    """With how many, which, and the option that accepts it."""
    with pytest.raises(
        ContentError,
        match=rf"lose {before - after} of the {before} .*1 \(.*A.\); .*--accept-loss",
    ):
        check_has_enough(numbers(after), numbers(before))
    check_has_enough(numbers(after), None)


def test_long_lists_of_keys_are_cut() -> None:
    """The difference says the rest."""
    with pytest.raises(ContentError, match=r"lose 19 of the 20 .*AJ, AK, .\)"):
        check_has_enough(numbers(1), numbers(20))


def test_a_picture_by_hand_is_decoded() -> None:
    """By the library that nobody here wrote."""
    check_decodes(make("wallpapers"))
    check_decodes(make("notices"))


def test_a_picture_that_shows_nothing() -> None:
    """All segments are in order, and no decoder stretches two samples to three."""
    components = ((1, 0x31, 0), (2, 0x21, 1), (3, 0x11, 1))
    odd = jpegs.picture(jpegs.COLOURS, jpegs.frame(*components), jpegs.scan((1, 0), (2, 0), (3, 0)))
    assert picture_size(odd) == (64, 64)
    with pytest.raises(ContentError, match="'waves' of wallpapers: its picture cannot be shown"):
        check_decodes(make("wallpapers", pictures={"waves": odd}))
