"""Checks of texts in packs (FORMATS section 15), and the choice of a text for a locale."""

import re
import string
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import Final

from client_sim.device.errors import ContentError
from hening.top_level_domains import TOP_LEVEL_DOMAINS

_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
# A black flag; as tag characters, two letters of a country and 1 to 4 of its subdivision; an end
# tag.
_FLAG: Final = re.compile(
    "\U0001f3f4[\U000e0061-\U000e007a]{2}[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,4}\U000e007f"
)
_KEYCAP: Final = re.compile("[0-9#*]\ufe0f\u20e3")
# Emoji that are neither symbols by their category nor pictographs.
_OTHER_EMOJI: Final = frozenset("‼⁉\u2139↔◻◼◽◾⤴⤵〰〽")
_VIRAMA: Final = 9  # canonical combining class
_BEFORE_JOINED: Final = frozenset("\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def find_needless(text: str) -> str | None:
    """Return the first invisible character that is not needed in its place, or None."""
    if text.isascii():
        return None
    # Keycaps and flags are replaced by shorter text with the same rules for joiners.
    reduced = _KEYCAP.sub("1", _FLAG.sub("\U0001f3f4\U0001f3fb", text))
    for found in _INVISIBLE.finditer(reduced):
        if not _is_needed(reduced, found.start()):
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
    """Return the last character that is not a combining mark, or the empty string."""
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


_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_SCHEME_CHARACTERS: Final = _ALPHANUMERIC + ".+-"
_AFTER_SCHEMES: Final = frozenset(_ALPHANUMERIC + "/+*#?%&@=~_")
_BRAILLE_BLANK: Final = "\u2800"
_IN_NO_ADDRESS: Final = re.compile(r"[^A-Za-z0-9.]")
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_IPV6: Final = re.compile(r"[A-Za-z0-9]::|::[A-Za-z0-9]|(?:[A-Za-z0-9]{1,4}:){7}[A-Za-z0-9]")


def is_blank(text: str) -> bool:
    """Tell whether a text has only spaces, combining marks and format characters."""
    return all(
        character == _BRAILLE_BLANK or unicodedata.category(character)[0] in "ZMC"
        for character in text
    )


def has_entity(text: str) -> bool:
    """Tell whether a text has an HTML entity, also after NFKC normalization."""
    for form in (text, unicodedata.normalize("NFKC", text)):
        for piece in form.split("&")[1:]:
            body, end, _ = piece.partition(";")
            name = body.removeprefix("#")
            if end and len(body) > 1 and name.isascii() and name.isalnum():
                return True
    return False


@lru_cache(maxsize=16_384)  # many entries have the same author, and a lab's phones read one pack
def looks_like_link(text: str) -> bool:
    """Tell whether a text has a word that looks like a URL, a domain name or an IP address.

    A full-width colon does not end a scheme, because Chinese uses it without a space.
    """
    forms = (text, unicodedata.normalize("NFKC", text.replace("\uff1a", " ")))
    return any(_has_scheme(form) or _has_domain(form) or _has_address(form) for form in forms)


def _has_scheme(text: str) -> bool:
    for left, right in pairwise(text.split(":")):
        name = left[len(left.rstrip(_SCHEME_CHARACTERS)) :]
        following = right.removeprefix("-")[:1]
        if name and name[0] in string.ascii_letters and following in _AFTER_SCHEMES:
            return True
    return False


def _has_domain(text: str) -> bool:
    for left, right in pairwise(text.split(".")):
        top = len(list(takewhile(string.ascii_letters.__contains__, right)))
        ends = right[top : top + 1] not in string.digits or top == len(right)
        label = "".join(takewhile(_is_word_character, right))
        if left and (_is_word_character(left[-1]) or unicodedata.category(left[-1]) == "So"):
            if top > 1 and ends:
                return True
            if label.casefold() in TOP_LEVEL_DOMAINS:
                return True
    return False


def _has_address(text: str) -> bool:
    """Tell whether a text has an IP address: four numbers with dots, or an IPv6 address."""
    for word in _IN_NO_ADDRESS.split(text):
        are_numbers = [_NUMBER.fullmatch(part) is not None for part in word.split(".")]
        if any(all(are_numbers[at : at + 4]) for at in range(len(are_numbers) - 3)):
            return True
    return _IPV6.search(text) is not None


def _is_word_character(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


HOST: Final = re.compile(
    r"(?=.{1,100}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+"
)
_LINK: Final = re.compile(r"https://([a-z0-9.-]+)/[!$-;=?-\[\]_a-z~]*")
_LINK_LIMIT: Final = 300
# Joiners and tag characters of flags; `find_needless` checks their places.
_ALLOWED_FORMATS: Final = frozenset({"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))})
_REFUSED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_MARKUP: Final = re.compile(r"[<>]|//|https?:|javascript:|data:|www[.\u3002]")
# 3GPP TS 23.038 section 6.2.1, row by row, without the escape, and with its extension table.
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED: Final = frozenset("\f^{}\\[~]|€")


def check_text(value: object, limit: int, *, is_long: bool = False) -> str:
    """Return text of 1 to `limit` characters; line feeds are allowed only if `is_long`.

    Raises ContentError for other control characters, changes of direction, hidden characters,
    markup and links.
    """
    text = check_name(value, limit, is_long=is_long)
    if looks_like_link(text):
        raise ContentError("A text has a word that looks like a link.")
    return text


def check_name(value: object, limit: int, *, is_long: bool = False) -> str:
    """Return a name: it may look like a domain name, but otherwise obeys `check_text`."""
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise ContentError(f"A text is missing, or has more than {limit} characters.")
    _check_characters(value, is_long=is_long)
    return value


@lru_cache(maxsize=4096)  # carriers and places repeat within a pack, and in the next pack
def _check_characters(value: str, *, is_long: bool) -> None:
    if not value.isascii() and not unicodedata.is_normalized("NFC", value):
        raise ContentError("A text is not in the composed form of Unicode.")
    for character in value:
        if not _is_allowed(character) and not (is_long and character == "\n"):
            raise ContentError(f"A text has the character U+{ord(character):04X}.")
    if (hidden := find_needless(value)) is not None:
        raise ContentError(f"A text has U+{ord(hidden):04X} where nothing needs it.")
    # Also checked after NFKC and case folding, for readers that ignore width, style and case.
    for form in (value, unicodedata.normalize("NFKC", value)):
        if _MARKUP.search(form.casefold()):
            raise ContentError("A text has markup or a link of its own.")
    if is_blank(value):
        raise ContentError("A text has nothing that can be seen.")
    if has_entity(value):
        raise ContentError("A text has markup: an HTML entity.")


def check_link(value: object, hosts: Collection[str]) -> str:
    """Return a link to a page of one of `hosts`; raises ContentError."""
    if not isinstance(value, str) or len(value) > _LINK_LIMIT:
        raise ContentError("A link is not a text of at most 300 characters.")
    found = _LINK.fullmatch(value)
    if found is None or found[1] not in hosts:
        raise ContentError("A link does not lead to one of the pages that the index allows.")
    return value


def count_segments(text: str) -> int:
    """Return the number of SMS that a text needs (3GPP TS 23.038 and 23.040)."""
    if all(character in _GSM or character in _GSM_EXTENDED for character in text):
        sizes = [2 if character in _GSM_EXTENDED else 1 for character in text]
        return _pack(sizes, single=160, many=153)
    return _pack([2 if ord(character) > 0xFFFF else 1 for character in text], single=70, many=67)


def _pack(sizes: list[int], *, single: int, many: int) -> int:
    """Return the number of messages for characters of `sizes` units; characters are not split.

    One message has `single` units; each of several has `many`.
    """
    if sum(sizes) <= single:
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
    if character in _ALLOWED_FORMATS:
        return True
    return unicodedata.category(character) not in _REFUSED and ord(character) & 0xFFFE != 0xFFFE


_COUNTRY: Final = re.compile(r"[A-Z]{2}")


def list_wider(locale: str) -> Iterator[str]:
    """Yield a locale, then without its last subtag, and so on, and finally English."""
    while locale:
        yield locale
        locale = locale.rpartition("-")[0]
    yield "en"


def pick_text(texts: Mapping[str, str], locale: str) -> str:
    """Return the text for the nearest locale, or else the first text in order of locales."""
    for wider in list_wider(locale):
        if wider in texts:
            return texts[wider]
    return texts[min(texts)]


def find_country(locale: str) -> str | None:
    """Return the country in a locale, such as `ID` of `id-ID`, or None."""
    subtags = locale.split("-")[1:]
    return next((tag for tag in subtags if _COUNTRY.fullmatch(tag)), None)
