"""Entries of `themes` (colours and a wallpaper) and of `wallpapers` (metadata of pictures).

Each picture is a separate target.

Source: docs/FORMATS.md section 15; WCAG 2.2, contrast ratio and relative luminance; BlurHash,
Algorithm.md.
"""

from typing import Annotated

import msgspec

from server.core.content.kinds import check_name, convert_entries
from server.core.content.part import Entries
from server.core.content.picture import MAX_SIDE, MIN_SIDE, PICTURE_LIMIT
from server.core.content.text import Licence, Localized, Text, check_localized, check_text
from server.core.encodings import check_sha256

MIN_CONTRAST = 4.5
Colour = Annotated[str, msgspec.Meta(pattern=r"^#[0-9a-f]{6}\Z")]
Side = Annotated[int, msgspec.Meta(ge=MIN_SIDE, le=MAX_SIDE)]

_BASE83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


class Colours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Colours as `#rrggbb`; the text's contrast to the background is at least MIN_CONTRAST."""

    background: Colour
    primary: Colour
    text: Colour

    def __post_init__(self) -> None:
        if (ratio := contrast(self.text, self.background)) < MIN_CONTRAST:
            raise ValueError(f"the text's contrast is {ratio:.2f}, and {MIN_CONTRAST} is needed")


class Theme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A theme: light and dark colours; `wallpaper` is a key in the pack of wallpapers."""

    author: Text
    dark: Colours
    licence: Licence
    light: Colours
    title: Localized
    wallpaper: str | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        check_text(self.author, 80)
        check_localized(self.title, 80)
        if self.wallpaper is not msgspec.UNSET:
            check_name(self.wallpaper)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21."""
    brighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [byte / 255 for byte in bytes.fromhex(colour[1:])]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of themes."""
    convert_entries(kind, entries, Theme, lambda key, _: check_name(key))


class Wallpaper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture's sides in pixels, length in bytes, sha256, and a BlurHash as placeholder."""

    author: Text
    height: Side
    length: Annotated[int, msgspec.Meta(ge=1, le=PICTURE_LIMIT)]
    licence: Licence
    placeholder: Annotated[str, msgspec.Meta(min_length=6, max_length=166)]
    sha256: str
    title: Localized
    width: Side

    def __post_init__(self) -> None:
        check_text(self.author, 80)
        check_localized(self.title, 80)
        check_sha256(self.sha256)
        _check_blurhash(self.placeholder)


def _check_blurhash(text: str) -> None:
    digits = [_BASE83.find(character) for character in text]
    across, down = digits[0] % 9 + 1, digits[0] // 9 + 1
    if -1 in digits or down > 9 or len(text) != 4 + 2 * across * down:
        raise ValueError("the placeholder is not a BlurHash")


def decode_wallpapers(kind: str, entries: Entries) -> dict[str, Wallpaper]:
    """Return the entries of a pack of wallpapers by name; raises FormatError."""
    return convert_entries(kind, entries, Wallpaper, lambda key, _: check_name(key))
