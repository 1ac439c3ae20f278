"""Invisible characters, and where a text may contain them.

Source: docs/FORMATS.md section 15, Text; Unicode's Default_Ignorable_Code_Point; UTS 51; RFC 5892
appendix A.
"""

import re
from itertools import chain
from unicodedata import bidirectional, category, combining

IGNORABLE = frozenset(
    chain(
        (0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0),
        *(range(0x180B, 0x1810), range(0x200B, 0x2010), range(0x202A, 0x202F)),
        *(range(0x2060, 0x2070), range(0xFE00, 0xFE10), range(0xFFF0, 0xFFF9)),
        *(range(0x1BCA0, 0x1BCA4), range(0x1D173, 0x1D17B), range(0xE0000, 0xE1000)),
    )
)
_ZWNJ, _ZWJ, _TEXT_STYLE, _EMOJI_STYLE, _CANCEL_TAG = 0x200C, 0x200D, 0xFE0E, 0xFE0F, 0xE007F
_FLAG = 0x1F3F4
_TAGGED = re.compile("[a-z]{2}[a-z0-9]{1,4}\x7f")
_TAGS = range(0xE0000, 0xE0080)
_KEYCAP = 0x20E3
_PICTOGRAPHS = range(0x1F000, 0x1FB00)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
# Emoji among punctuation, arrows and letters.
_EMOJI = frozenset(
    (0x203C, 0x2049, 0x2139, 0x2194, 0x25FB, 0x25FC, 0x25FD, 0x25FE, 0x2934, 0x2935, 0x3030, 0x303D)
)


def stray_characters(text: str) -> list[int]:
    """Return the invisible code points of `text` that no neighbouring character needs."""
    codes = [ord(character) for character in text]
    stray = []
    at = 0
    while at < len(codes):
        if codes[at] == _FLAG and (tags := _flag_tags(codes, at + 1)):
            at += tags
        elif codes[at] in IGNORABLE and not _is_needed(codes, at):
            stray.append(codes[at])
        at += 1
    return stray


def escape_invisible(text: str, *, lines: bool = False) -> str:
    r"""Return `text` for display: `\u{202e}` for invisible and direction-changing characters.

    Line feeds are escaped, too, except with `lines`. Joiners stay where the text needs them.
    """
    stray = set(stray_characters(text))

    def is_shown(character: str) -> bool:
        if ord(character) in IGNORABLE:
            return ord(character) not in stray
        return (
            character.isprintable() or category(character) == "Zs" or (lines and character == "\n")
        )

    return "".join(each if is_shown(each) else f"\\u{{{ord(each):x}}}" for each in text)


def _flag_tags(codes: list[int], at: int) -> int:
    """Return the number of tags from `at` on if they form a subdivision flag, else 0."""
    end = at
    while end < len(codes) and codes[end] in _TAGS and codes[end - 1] != _CANCEL_TAG:
        end += 1
    letters = "".join(chr(code - _TAGS.start) for code in codes[at:end])
    return end - at if _TAGGED.fullmatch(letters) else 0


def _is_needed(codes: list[int], at: int) -> bool:
    code = codes[at]
    if at == 0:
        return False
    before, after = codes[at - 1], codes[at + 1] if at + 1 < len(codes) else 0
    if code == _EMOJI_STYLE and after == _KEYCAP and chr(before) in "0123456789#*":
        return True
    if code in {_TEXT_STYLE, _EMOJI_STYLE}:
        return _is_emoji(before)
    if code == _ZWNJ:
        return _is_virama(before) or (_is_arabic(_base(codes, at)) and _is_arabic(after))
    if code == _ZWJ:
        if _is_virama(before) or _is_virama(after) or _is_arabic(before):
            return True
        ends_emoji = before in _SKIN_TONES or before in {_EMOJI_STYLE, _CANCEL_TAG}
        return (ends_emoji or _is_emoji(before)) and _is_emoji(after)
    return False


def _base(codes: list[int], at: int) -> int:
    """Return the last character before `at` that is not a combining mark, or 0."""
    for code in reversed(codes[:at]):
        if category(chr(code)) != "Mn":
            return code
    return 0


def _is_emoji(code: int) -> bool:
    if code in _SKIN_TONES:
        return False
    return code in _PICTOGRAPHS or code in _EMOJI or category(chr(code)) == "So"


def _is_virama(code: int) -> bool:
    return combining(chr(code)) == 9


def _is_arabic(code: int) -> bool:
    return bidirectional(chr(code)) == "AL"
