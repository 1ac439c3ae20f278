"""Checks texts that a phone shows to its owner: no markup, no hidden characters, no links.

A link is a separate member, to one of the allowed hosts.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

import msgspec

from hening.top_level_domains import TOP_LEVEL_DOMAINS
from server.core.content.invisible import stray_characters
from server.core.errors import FormatError
from server.core.names import Locale

_ENTITY = re.compile(r"&(?:#|[A-Za-z0-9])[A-Za-z0-9]+;")
_WIDE_COLON = "\uff1a"
_BLANK = "\u2800"  # a pattern of Braille without a dot

# The grammar of words that programs turn into links, over classes of characters: `a` is an ASCII
# letter, `0` an ASCII digit, `x` a letter, digit or mark of another script, `s` a symbol such as an
# emoji, ` ` any other non-ASCII character. ASCII punctuation stands for itself. A link begins with
# a scheme or has a host, which is an address or a domain. A domain's last label has ASCII letters,
# or is a top-level domain (group 1).
_SCHEME = re.compile(r"(?<![a0.+-])a[a0.+-]*:-?[a0/+*#?%&@=~_]")
_ADDRESS = re.compile(r"(?<![a0])0{1,3}(?:\.0{1,3}){3}(?![a0])|[a0]::|::[a0]|(?:[a0]{1,4}:){7}[a0]")
_DOMAIN = re.compile(r"[a0xs]\.(?:a{2,}(?![a0])|(?=([a0x]+)))")


def check_visible(text: str) -> None:
    """Raise FormatError if `text` has an HTML entity, or no visible character.

    `server.core.content.invisible` checks the characters that Unicode calls ignorable.
    """
    if not any(unicodedata.category(c)[0] in "LNPS" and c != _BLANK for c in text):
        raise FormatError("a text has nothing that can be seen")
    for form in (text, unicodedata.normalize("NFKC", text)):
        if (entity := _ENTITY.search(form)) is not None:
            raise FormatError(f"a text holds {entity[0]!r}, which is markup; write the character")


def check_has_no_scheme(text: str) -> None:
    """Raise FormatError if a word begins like a link of any scheme, such as `tel:112`."""
    for form in _forms(text):
        if (found := _SCHEME.search(_classify(form))) is not None:
            raise FormatError(
                f"a text holds {form[slice(*found.span())]!r}, which some programs turn into a"
                " link; write a space after the colon"
            )


def check_links_nowhere(text: str) -> None:
    """Raise FormatError if a program might turn a word into a link.

    Such words have a scheme, a domain name or a host's address.
    """
    check_has_no_scheme(text)
    for form in _forms(text):
        classes = _classify(form)
        if (found := _ADDRESS.search(classes)) is not None:
            raise FormatError(
                f"a text holds {form[slice(*found.span())]!r}, which some programs take for a"
                " host's address; write `v` in front of a version, and a space after a colon"
            )
        for found in _DOMAIN.finditer(classes):
            start, end = found.span(1)
            if start < 0 or form[start:end].casefold() in TOP_LEVEL_DOMAINS:
                word = form[: max(end, found.end())].split()[-1]
                raise FormatError(
                    f"a text holds {word[-60:]!r}, which some programs turn into a link; write a"
                    " space after the full stop; links are allowed only in the member `link`"
                )


def _forms(text: str) -> Iterator[str]:
    """Yield the text and its form in plain letters, each only if it can hold a link.

    In Chinese a wide colon ends a word and begins no link.
    """
    for form in (text, unicodedata.normalize("NFKC", text.replace(_WIDE_COLON, " "))):
        if "." in form or ":" in form:
            yield form


def _classify(text: str) -> str:
    return "".join(map(_class_of, text))


def _class_of(character: str) -> str:
    if character.isascii():
        return "a" if character.isalpha() else "0" if character.isdigit() else character
    category = unicodedata.category(character)
    return "x" if category[0] in "LMN" else "s" if category == "So" else " "


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
    """Raise FormatError unless `text` may be shown: 1 to `limit` characters, without links.

    Line feeds are allowed with `lines`.
    """
    check_name(text, limit, lines=lines)
    check_links_nowhere(text)


def check_name(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError as `check_text` does, but allow dots in words, as in names of products."""
    check_characters(text, limit, lines=lines)
    if not unicodedata.is_normalized("NFC", text):
        raise FormatError("a text is not in Unicode's form NFC")
    folded = text.casefold()
    # Some programs turn other forms of the same letters, such as wide letters, into links.
    plain = unicodedata.normalize("NFKC", text).casefold()
    for word in _FORBIDDEN:
        if word in folded or word in plain:
            raise FormatError(f"a text holds {word!r}; links are allowed only in the member `link`")
    check_visible(text)


def check_characters(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError unless `text` has 1 to `limit` characters, each visible or needed.

    No character may change the direction, move a cursor or end a line, except line feeds with
    `lines`.
    """
    if not 1 <= len(text) <= limit:
        raise FormatError(f"a text has {len(text)} characters, and 1 to {limit} are allowed")
    for character in text:
        if not (lines and character == "\n"):
            _check_character(character)
    for code in stray_characters(text):
        raise FormatError(f"a text holds U+{code:04X}, which is invisible and not needed here")


def check_localized(texts: Mapping[str, str], limit: int, *, lines: bool = False) -> None:
    """Raise FormatError, which names the locale, unless each of the texts may be shown."""
    for locale, text in texts.items():
        try:
            check_text(text, limit, lines=lines)
        except FormatError as error:
            raise FormatError(f"{locale}: {error}") from error


def check_host(host: str) -> None:
    """Raise FormatError unless `host` is an allowed host name of links."""
    if len(host) > 100 or _HOST.fullmatch(host) is None:
        raise FormatError(f"{host[:100]!r} is not a host name in lower-case letters")


def check_link(link: str, hosts: Collection[str]) -> None:
    """Raise FormatError unless `link` is `https://HOST/PATH` with one of `hosts`."""
    found = _LINK.fullmatch(link) if len(link) <= 300 else None
    if found is None:
        raise FormatError(
            f"{link[:100]!r} is not of the form https://HOST/PATH, without port, user or fragment"
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
