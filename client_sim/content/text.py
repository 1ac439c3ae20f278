"""What text of a pack may hold, and how many SMS it takes (FORMATS section 15)."""

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from client_sim.content.invisible import find_needless
from client_sim.content.prose import has_entity, is_blank, leads_away
from client_sim.device.errors import ContentError

HOST: Final = re.compile(
    r"(?=.{1,100}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+"
)
_LINK: Final = re.compile(r"https://([a-z0-9.-]+)/[!$-;=?-\[\]_a-z~]*")
_LINK_LIMIT: Final = 300
# Joiners and the tags of flags: where they stand is for `find_needless` to judge.
_KEPT_FORMATS: Final = frozenset({"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))})
_REFUSED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_MARKUP: Final = re.compile(r"[<>]|//|https?:|javascript:|data:|www[.\u3002]")
# 3GPP TS 23.038 section 6.2.1, row by row, without the escape, and its extension table.
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED: Final = frozenset("\f^{}\\[~]|€")


def check_text(value: object, limit: int, *, is_long: bool = False) -> str:
    """Return text of 1 to `limit` characters; line feeds only where it `is_long`.

    Raises ContentError for anything else, and for whatever turns, hides or links.
    """
    text = check_name(value, limit, is_long=is_long)
    if leads_away(text):
        raise ContentError("A text has a word that looks like a link.")
    return text


def check_name(value: object, limit: int, *, is_long: bool = False) -> str:
    """Return a name, which may have dots as a domain has, and otherwise is as `check_text` says."""
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise ContentError(f"A text is missing, or has more than {limit} characters.")
    if not value.isascii() and not unicodedata.is_normalized("NFC", value):
        raise ContentError("A text is not in the composed form of Unicode.")
    for character in value:
        if not _is_allowed(character) and not (is_long and character == "\n"):
            raise ContentError(f"A text has the character U+{ord(character):04X}.")
    if (hidden := find_needless(value)) is not None:
        raise ContentError(f"A text has U+{ord(hidden):04X} where nothing needs it.")
    # As some reader may take it who cares for no width, no style and no case of letters.
    for form in (value, unicodedata.normalize("NFKC", value)):
        if _MARKUP.search(form.casefold()):
            raise ContentError("A text has markup or a link of its own.")
    if is_blank(value):
        raise ContentError("A text has nothing that can be seen.")
    if has_entity(value):
        raise ContentError("A text has markup: a character as in HTML.")
    return value


def check_link(value: object, hosts: Collection[str]) -> str:
    """Return a link to a page of one of `hosts`; raises ContentError."""
    if not isinstance(value, str) or len(value) > _LINK_LIMIT:
        raise ContentError("A link is no text of at most 300 characters.")
    found = _LINK.fullmatch(value)
    if found is None or found[1] not in hosts:
        raise ContentError("A link does not lead to one of the pages that the index allows.")
    return value


def count_segments(text: str) -> int:
    """Return how many SMS a text takes (3GPP TS 23.038 and 23.040)."""
    if all(character in _GSM or character in _GSM_EXTENDED for character in text):
        sizes = [2 if character in _GSM_EXTENDED else 1 for character in text]
        return _pack(sizes, one=160, many=153)
    return _pack([2 if ord(character) > 0xFFFF else 1 for character in text], one=70, many=67)


def _pack(sizes: list[int], *, one: int, many: int) -> int:
    """Fill messages in order; what takes two units is not split."""
    if sum(sizes) <= one:
        return 1
    segments, room = 1, many
    for size in sizes:
        if size > room:
            segments, room = segments + 1, many
        room -= size
    return segments


def _is_allowed(character: str) -> bool:
    if " " <= character <= "~":
        return True
    if character in _KEPT_FORMATS:
        return True
    return unicodedata.category(character) not in _REFUSED and ord(character) & 0xFFFE != 0xFFFE
