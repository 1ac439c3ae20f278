"""Plain text: rules for changelogs, reasons and notes, and exceptions for older texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError, ReleaseError
from server.core.pointer import decode_pointer
from server.core.release_texts import (
    check_changelogs,
    check_note,
    check_plain,
    check_reason,
    check_reasons,
    sound_reason,
)
from tests import texts
from tests.cases import case, refuse_each
from tests.server.ceremony import release
from tests.server.core.tuf_objects import make_role

PATH = "armani/id/stable/a.zip"
POINTER = "latest/armani/id/stable"
PACKAGE = {"p": PATH, "z": 1, "x": "0" * 64, "b": []}
STEP = {"n": 1, "t": 1, "l": "2026-01-05", "m": 0, "k": [PACKAGE]}
TEXTS = st.dictionaries(
    st.sampled_from(["en", "id", "zh-TW"]),
    st.text(st.characters(codec="utf-8"), max_size=50)
    | st.sampled_from([*texts.NEEDLESS.values(), "https://rom.example", "Fixes."]),
)


def pointer(**reason):
    """Return a paused pointer with a reason."""
    custom = {"v": 1, "s": [STEP], "r": [[1, 1000]], "p": True, "h": False, "t": reason}
    return decode_pointer(POINTER, custom)


def role(*changelogs):
    """Return a role with one build per changelog."""
    return make_role(
        {
            f"armani/id/stable/{number}.zip": release(number, changelog=changelog)
            for number, changelog in enumerate(changelogs, 1)
        }
    )


def test_plain_text_is_accepted():
    """Scripts and emoji with their special characters are accepted, as are words with dots.

    Changelogs may also have file names, four-part numbers and several lines.
    """
    for text in [*texts.NEEDED.values(), *texts.PLAIN, "blau.de", "8.ta"]:
        with case(text):
            check_plain(text, 40)
    for text in (
        "Fixes init.rc and libc.so; WebView 120.0.6099.43, base 14.0.3.0",
        "Settings > Display: 3 < 5, a <3 b, -> there",
        "* first\n* second\n\n## More",
        "e\u0301",  # decomposed, as some systems produce it
        "\u00a0\u3000 5 %",
    ):
        with case(text):
            check_plain(text, 100, lines=True)


def test_invisible_characters_are_refused():
    """Invisible characters are refused with their number, even where lines are allowed."""
    for text in texts.NEEDLESS.values():
        with case(text), pytest.raises(FormatError, match=r"holds U\+"):
            check_plain(f"a {text} b", 60)
    for character in "\0\t\r\x1b\x7f\x85\u2028\u202e\u2066\u200e\u061c\ud800\ue000":
        with pytest.raises(FormatError, match=rf"holds U\+{ord(character):04X}"):
            check_plain(f"a{character}b", 10, lines=True)


def test_links_and_markup_are_refused():
    """Links of any scheme, Markdown and HTML are refused."""
    bad = [
        *("https://rom.example", "see HTTP://a", "//rom.example", "www.rom.example"),
        *("WWW.rom.example", "www\u3002rom", "http\uff1a//rom", "\uff0f\uff0from.example"),
        *("[notes](https://rom.example)", "[x](local)", "[x]: y", "![x](y)"),
        *("<b>new", "a </b", "<!-- x", "<?php", "\uff1cb\uff1e", "`<b>`", "&#106;x", "&lt;b"),
        *("mailto:a@b", "tel:*06#", "javascript:alert", "intent:#I;end", "data:text/html", "m:x"),
    ]
    sentence = r"a link or markup|turn into a link|is markup"
    refuse_each(FormatError, lambda text: check_plain(text, 60), bad, sentence)


def test_length_and_line_limits():
    """A text has a limited length and a visible character; line feeds need `lines`."""
    check_plain("a\nb", 3, lines=True)
    bad = ["a\nb", "", "abcd", " ", "\u0301"]
    refuse_each(FormatError, lambda text: check_plain(text, 3), bad)


def test_new_invalid_changelogs_are_refused():
    """An invalid changelog is refused in a first version, a new build and a changed text."""
    odd, fine = {"id": "a\u202eb"}, {"en": "Fixes."}
    for before, after in (
        (None, role(odd)),
        (role(fine), role(fine, odd)),
        (role(fine), role(odd)),
        (role(odd), role({"id": "a\u202ec"})),
    ):
        with pytest.raises(ReleaseError, match=r"stable/[12].zip has a new changelog in id .*202E"):
            check_changelogs(before, after)


@given(st.lists(TEXTS, min_size=1, max_size=3), st.permutations(range(3)))
def test_existing_changelogs_are_not_checked_again(changelogs, order):
    """An existing text may stay, be removed, and be used for a new build."""
    known = role(*changelogs)
    check_changelogs(known, role(*changelogs, {"en": "Fixes."}))
    again = [changelogs[at] for at in order if at < len(changelogs)]
    check_changelogs(known, role(*again, *again))
    check_changelogs(known, role({}))


@given(TEXTS, TEXTS)
def test_existing_reasons_are_not_checked_again(old, new):
    """An existing reason may stay; only new texts are checked."""
    former = pointer(**old)
    check_reason(old, former)
    check_reasons({POINTER: former}, {POINTER: pointer(**old), "latest/armani/id/beta": pointer()})
    sound = sound_reason(old | new, former)
    kept = {locale: text for locale, text in (old | new).items() if text in old.values()}
    assert kept.items() <= sound.items() <= (old | new).items()
    check_reasons({POINTER: former}, {POINTER: pointer(**sound)})
    if sound != old | new:
        with pytest.raises(ReleaseError, match="is not plain text"):
            check_reason(old | new, former)


def test_new_invalid_reasons_are_refused():
    """A new invalid reason is refused with its locale and path, even if another pointer has it."""
    with pytest.raises(ReleaseError, match=r"^the reason in id is not plain text: .*U\+202E"):
        check_reason({"en": "fine", "id": "a\u202eb"}, None)
    former = {"latest/armani/id/beta": pointer(id="a\u202eb")}
    with pytest.raises(ReleaseError, match=r"^latest/armani/id/stable: the reason in id"):
        check_reasons(former, former | {POINTER: pointer(id="a\u202eb")})


def test_note_limits():
    """A note may be empty and have lines, and has at most 500 characters of plain text."""
    for text in ("", "Monday.", "one\ntwo", "x" * 500):
        check_note(text)
    for text in ("x" * 501, "see https://tracker.example/1", "a\u200bb", "\x1b[2J"):
        with pytest.raises(ReleaseError, match=r"^the note is not plain text: a text"):
            check_note(text)
