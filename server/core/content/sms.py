"""How many segments a text takes as a short message.

Source: docs/FORMATS.md section 15; 3GPP TS 23.038 section 6.2.1 (alphabet), 23.040 (segments).
"""

from collections.abc import Iterable

_DEFAULT = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")


def count_segments(text: str) -> int:
    """Return the number of SMS segments of `text`, at least 1.

    In the GSM 7-bit default alphabet 160 septets are one segment and 153 fit into each of several;
    any other text takes UTF-16 units, 70 or 67. What takes two units is not split.
    """
    if all(character in _DEFAULT or character in _EXTENSION for character in text):
        return _segments((2 if character in _EXTENSION else 1 for character in text), 160, 153)
    return _segments((2 if ord(character) > 0xFFFF else 1 for character in text), 70, 67)


def _segments(units: Iterable[int], alone: int, each: int) -> int:
    sizes = list(units)
    if sum(sizes) <= alone:
        return 1
    segments, used = 1, 0
    for size in sizes:
        if used + size > each:
            segments, used = segments + 1, 0
        used += size
    return segments
