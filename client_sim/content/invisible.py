"""Characters of a text that nobody sees: taken where a script or an emoji needs them.

Source: docs/FORMATS.md section 15, Text; Unicode's property Default_Ignorable_Code_Point, UTS 51
(sequences of emoji) and RFC 5892 appendix A (joiners).
"""

import re
import unicodedata
from typing import Final

_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
# A black flag, two letters of a country, 1 to 4 of its part, all as tags, and the end of tags.
_FLAG: Final = re.compile(
    "\U0001f3f4[\U000e0061-\U000e007a]{2}[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,4}\U000e007f"
)
_KEYCAP: Final = re.compile("[0-9#*]\ufe0f\u20e3")
# What is an emoji, and neither a symbol by its category nor among the pictographs.
_OTHER_EMOJI: Final = frozenset("‼⁉\u2139↔◻◼◽◾⤴⤵〰〽")
_VIRAMA: Final = 9  # canonical combining class
_BEFORE_JOINED: Final = frozenset("\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def find_needless(text: str) -> str | None:
    """Return the first character that cannot be seen and is not needed where it stands, or None."""
    if text.isascii():
        return None
    # Sequences with characters of their own become shorter ones that end and join like them.
    left = _KEYCAP.sub("1", _FLAG.sub("\U0001f3f4\U0001f3fb", text))
    for found in _INVISIBLE.finditer(left):
        if not _is_needed(left, found.start()):
            return found[0]
    return None


def _is_needed(text: str, at: int) -> bool:
    before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    match text[at]:
        case "\ufe0e" | "\ufe0f":
            return _is_emoji(before)
        case "\u200c":
            return _is_virama(before) or (_is_arabic(_skip_marks(text[:at])) and _is_arabic(after))
        case "\u200d":
            is_joined = (_is_emoji(before) or before in _BEFORE_JOINED) and _is_emoji(after)
            is_script = _is_virama(before) or _is_virama(after) or _is_arabic(before)
            return bool(before) and (is_joined or is_script)
        case _:
            return False


def _skip_marks(text: str) -> str:
    """Return the last character that is no mark upon another."""
    at = len(text)
    while at and unicodedata.category(text[at - 1]) == "Mn":
        at -= 1
    return text[at - 1 : at] if at else ""


def _is_emoji(character: str) -> bool:
    if not character:
        return False
    is_pictograph = "\U0001f000" <= character <= "\U0001faff"
    is_skin = "\U0001f3fb" <= character <= "\U0001f3ff"
    is_symbol = unicodedata.category(character) == "So" or character in _OTHER_EMOJI
    return (is_pictograph and not is_skin) or is_symbol


def _is_virama(character: str) -> bool:
    return bool(character) and unicodedata.combining(character) == _VIRAMA


def _is_arabic(character: str) -> bool:
    return bool(character) and unicodedata.bidirectional(character) == "AL"
