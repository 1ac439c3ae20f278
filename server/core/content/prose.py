"""What a program might make of a text: a link, markup, or nothing that can be seen.

Source: docs/FORMATS.md section 15, Text.
"""

import re
import unicodedata

from server.core.errors import FormatError

_ENTITY = re.compile(r"&(?:#|[A-Za-z0-9])[A-Za-z0-9]+;")
_SCHEME = re.compile(r"(?<![A-Za-z0-9.+-])[A-Za-z][A-Za-z0-9.+-]*:-?[A-Za-z0-9/+*#?%&@=~_]")
_DOTTED = re.compile(r"\.[A-Za-z]{2,}(?![A-Za-z0-9])")
_WIDE_COLON = "\uff1a"
_BLANK = "\u2800"  # a pattern of Braille without a dot


def check_is_seen(text: str) -> None:
    """Raise FormatError where `text` has markup as an entity, or nothing that can be seen.

    Characters that Unicode calls ignorable are for `server.core.content.invisible`.
    """
    if not any(unicodedata.category(c)[0] in "LNPS" and c != _BLANK for c in text):
        raise FormatError("a text has nothing that can be seen")
    for form in (text, unicodedata.normalize("NFKC", text)):
        if (entity := _ENTITY.search(form)) is not None:
            raise FormatError(f"a text holds {entity[0]!r}, which is markup; write the character")


def check_links_nowhere(text: str) -> None:
    """Raise FormatError where a program might make a link of a word: a scheme, or a domain's name.

    A wide colon ends a word in Chinese, and begins no link.
    """
    for form in (text, unicodedata.normalize("NFKC", text.replace(_WIDE_COLON, " "))):
        if (scheme := _SCHEME.search(form)) is not None:
            raise FormatError(
                f"a text holds {scheme[0]!r}, which some program takes for a link; write a space"
                " behind the colon"
            )
        for found in _DOTTED.finditer(form):
            if found.start() and unicodedata.category(form[found.start() - 1])[0] in "LNM":
                word = form[: found.end()].split()[-1]
                raise FormatError(
                    f"a text holds {word[-60:]!r}, which some program takes for a link; write a"
                    " space behind the full stop, and a link as a member of its own"
                )
