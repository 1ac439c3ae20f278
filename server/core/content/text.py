"""Texts and links that a phone shows to its owner: no markup, no tricks with direction, few hosts.

Source: docs/FORMATS.md section 15, Text.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Annotated

import msgspec

from server.core.content.invisible import stray_characters
from server.core.content.prose import check_is_seen, check_links_nowhere
from server.core.errors import FormatError
from server.core.release import Locale

Text = Annotated[str, msgspec.Meta(min_length=1)]
Localized = Annotated[dict[Locale, Text], msgspec.Meta(min_length=1, max_length=64)]
Licence = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.+:() -]{1,64}\Z")]

_FORBIDDEN = ("<", ">", "//", "http:", "https:", "javascript:", "data:", "www.", "www\u3002")
_JOINERS = "\u200c\u200d"  # of Indic and Arabic scripts, and of emoji
_TAGS = range(0xE0020, 0xE0080)  # of flags
_CATEGORIES = {"Cc": "control", "Cf": "format", "Cs": "surrogate", "Co": "private"}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_LINK = re.compile(r"https://([a-z0-9.-]{1,100})/[!$-;=?-Z\[\]_a-z~]*")


def check_text(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError unless `text` may be shown: 1 to `limit` characters, with `lines` feeds.

    Whatever a program might make a link of is refused.
    """
    check_name(text, limit, lines=lines)
    check_links_nowhere(text)


def check_name(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError as `check_text`, but where a word has dots: of what bears such a name."""
    check_characters(text, limit, lines=lines)
    if not unicodedata.is_normalized("NFC", text):
        raise FormatError("a text is not in Unicode's form NFC")
    folded = text.casefold()
    # What other forms of the same letters spell, such as wide ones, is a link for some programs.
    plain = unicodedata.normalize("NFKC", text).casefold()
    for word in _FORBIDDEN:
        if word in folded or word in plain:
            raise FormatError(f"a text holds {word!r}; a link is a member of its own")
    check_is_seen(text)


def check_characters(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError unless `text` has 1 to `limit` characters, each seen or needed.

    None of them turns the direction, moves a cursor or ends a line, but feeds with `lines`.
    """
    if not 1 <= len(text) <= limit:
        raise FormatError(f"a text has {len(text)} characters, and 1 to {limit} are allowed")
    for character in text:
        if not (lines and character == "\n"):
            _check_character(character)
    for code in stray_characters(text):
        raise FormatError(f"a text holds U+{code:04X}, which nothing around it needs")


def check_localized(texts: Mapping[str, str], limit: int, *, lines: bool = False) -> None:
    """Raise FormatError, with the locale, unless each of the texts may be shown."""
    for locale, text in texts.items():
        try:
            check_text(text, limit, lines=lines)
        except FormatError as error:
            raise FormatError(f"{locale}: {error}") from error


def check_host(host: str) -> None:
    """Raise FormatError unless `host` is a host name to which links may lead."""
    if len(host) > 100 or _HOST.fullmatch(host) is None:
        raise FormatError(f"{host[:100]!r} is not a host name in lower-case letters")


def check_link(link: str, hosts: Collection[str]) -> None:
    """Raise FormatError unless `link` is `https://HOST/PATH` with one of `hosts`."""
    found = _LINK.fullmatch(link) if len(link) <= 300 else None
    if found is None:
        raise FormatError(
            f"{link[:100]!r} is not of the form https://HOST/PATH, without port, user and fragment"
        )
    if found[1] not in hosts:
        raise FormatError(f"{link[:100]!r} leads to {found[1]}, which is not an allowed host")


def _check_character(character: str) -> None:
    code = ord(character)
    category = unicodedata.category(character)
    is_refused = category in _CATEGORIES or category in {"Zl", "Zp"} or code & 0xFFFE == 0xFFFE
    if is_refused and character not in _JOINERS and code not in _TAGS:
        kind = _CATEGORIES.get(category, "forbidden")
        raise FormatError(f"a text holds U+{code:04X}, a {kind} character")
