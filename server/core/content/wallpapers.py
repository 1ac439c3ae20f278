"""Entries of `wallpapers`: metadata of each picture; the picture itself is a separate target.

Source: docs/FORMATS.md section 15; BlurHash, Algorithm.md.
"""

from typing import Annotated

import msgspec

from server.core.content.kinds import check_name, convert_entries
from server.core.content.part import Entries
from server.core.content.picture import MAX_SIDE, MIN_SIDE, PICTURE_LIMIT
from server.core.content.text import Licence, Localized, Text, check_localized, check_text
from server.core.encodings import check_sha256

Side = Annotated[int, msgspec.Meta(ge=MIN_SIDE, le=MAX_SIDE)]

_BASE83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


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
    """Return the entries of a pack of wallpapers by name; FormatError for a malformed one."""
    return convert_entries(kind, entries, Wallpaper, lambda key, _: check_name(key))


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of wallpapers."""
    decode_wallpapers(kind, entries)
