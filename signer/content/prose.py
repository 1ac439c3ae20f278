"""Whether what builders wrote is plain text, asked before anybody is asked to sign it.

By code of its own: server and phone have theirs. Source: docs/FORMATS.md section 15, Text.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from signer.content.errors import ContentError

# Patterns over kinds of characters: `a` an ASCII letter, `0` an ASCII digit, `x` a letter, a digit
# or a mark of another script, ` ` what is not seen; signs stand for themselves.
_RULES = (
    (re.compile(r"[a0x]\.a{2,}(?![a0])"), "looks like a domain; write a space behind the dot"),
    (re.compile(r"(?<![a0.+-])a[a0.+-]*:-?[a0/+*#?%&@=~_]"), "looks like a link's scheme"),
)
_ENTITY = re.compile(r"&[#a0][a0]+;")
_WIDE_COLON, _NO_DOTS = "\uff1a", "\u2800"


def check_prose(text: str) -> None:
    """Raise ContentError, with the place, where a text looks like a link or as `check_name` does.

    A colon as wide as a Chinese letter is no scheme's: no space follows it there.
    """
    check_name(text)
    for form in (text, unicodedata.normalize("NFKC", text.replace(_WIDE_COLON, " "))):
        shape = _shape(form)
        for pattern, reason in _RULES:
            if (found := pattern.search(shape)) is not None:
                raise ContentError(f"a text holds {form[slice(*found.span())]!r}, which {reason}")


def check_name(text: str) -> None:
    """Raise ContentError where a text has an entity of HTML, or nothing that is seen."""
    if all(_is_unseen(each) for each in text):
        raise ContentError("a text has nothing that can be seen")
    for form in (text, unicodedata.normalize("NFKC", text)):
        if (found := _ENTITY.search(_shape(form))) is not None:
            entity = form[slice(*found.span())]
            raise ContentError(f"a text holds {entity!r}, which is markup; write the character")


def list_names(kind: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield names in an entry that may have dots: of carriers and certificates."""
    if kind == "apn":
        yield from (point["carrier"] for point in entry["apns"])
    elif kind == "ca":
        yield entry["name"]


def list_texts(kind: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an entry of a kind says to people: texts, and names by locale."""
    if kind == "ca":
        return
    for member in ("author", "body", "name", "text", "title"):
        value = entry.get(member)
        yield from value.values() if isinstance(value, dict) else [value] if value else []
    if kind == "holidays":
        for _, names in entry["days"]:
            yield from names.values()


def _is_unseen(character: str) -> bool:
    if character in {" ", _NO_DOTS} or not character.isprintable():
        return True
    return unicodedata.category(character)[0] == "M"


def _shape(text: str) -> str:
    return "".join(map(_kind_of, text))


def _kind_of(character: str) -> str:
    if character.isascii():
        return "a" if character.isalpha() else "0" if character.isdigit() else character
    return "x" if unicodedata.category(character)[0] in "LMN" else " "
