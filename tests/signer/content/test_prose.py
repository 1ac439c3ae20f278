"""Plain text, as builders are held to it before anybody signs."""

import pytest

from signer.content.errors import ContentError
from signer.content.prose import check_name, check_prose
from signer.content.validate import check_packs_to_sign
from tests import texts
from tests.server.core.content.samples import NEWS, entries_of
from tests.signer.content.packs import make


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
