"""What a phone's programs would make of a text: taps that lead away, or nothing to be read.

Source: docs/FORMATS.md section 15, Text.
"""

import string
import unicodedata
from itertools import pairwise, takewhile
from typing import Final

_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_OF_SCHEMES: Final = _ALPHANUMERIC + ".+-"
_BEHIND_SCHEMES: Final = frozenset(_ALPHANUMERIC + "/+*#?%&@=~_")
_BRAILLE_BLANK: Final = "\u2800"


def is_blank(text: str) -> bool:
    """Tell whether nothing of a text would be seen: spaces, marks upon nothing, what formats."""
    return all(
        character == _BRAILLE_BLANK or unicodedata.category(character)[0] in "ZMC"
        for character in text
    )


def has_entity(text: str) -> bool:
    """Tell whether a text has a character written as in HTML, plain or in other forms."""
    for form in (text, unicodedata.normalize("NFKC", text)):
        for piece in form.split("&")[1:]:
            body, end, _ = piece.partition(";")
            name = body.removeprefix("#")
            if end and len(body) > 1 and name.isascii() and name.isalnum():
                return True
    return False


def leads_away(text: str) -> bool:
    """Tell whether a word looks like a link: by a scheme, or as the name of a domain.

    Chinese sets a wide colon without a space, so that one is no scheme's.
    """
    forms = (text, unicodedata.normalize("NFKC", text.replace("\uff1a", " ")))
    return any(_has_scheme(form) or _has_domain(form) for form in forms)


def _has_scheme(text: str) -> bool:
    for left, right in pairwise(text.split(":")):
        name = left[len(left.rstrip(_OF_SCHEMES)) :]
        behind = right.removeprefix("-")[:1]
        if name and name[0] in string.ascii_letters and behind in _BEHIND_SCHEMES:
            return True
    return False


def _has_domain(text: str) -> bool:
    for left, right in pairwise(text.split(".")):
        top = len(list(takewhile(string.ascii_letters.__contains__, right)))
        ends = right[top : top + 1] not in string.digits or top == len(right)
        if left and unicodedata.category(left[-1])[0] in "LMN" and top > 1 and ends:
            return True
    return False
