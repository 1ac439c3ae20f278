"""Wallpapers: what each picture is, and that the index lists exactly those of the entries."""

import re
from collections.abc import Mapping
from typing import Any, Final

from client_sim.content.index import PICTURE_LIMIT, File
from client_sim.content.picture import LONGEST, SHORTEST
from client_sim.content.shape import (
    NAME,
    read_integer,
    read_licence,
    read_locales,
    read_match,
    read_object,
)
from client_sim.content.text import check_text
from client_sim.device.errors import ContentError

_MEMBERS: Final = (
    *("author", "height", "length", "licence", "placeholder", "sha256", "title", "width"),
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
# blurhash: 83 digits; the first one says how many waves there are, and so how many digits.
_DIGITS: Final = (
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
)


def check_wallpapers(entries: Mapping[str, Any], pictures: Mapping[str, File]) -> None:
    """Check the entries of a pack and the pictures beside it; raises ContentError."""
    for key, entry in entries.items():
        read_match("The name of a wallpaper", key, NAME)
        wallpaper = read_object("A wallpaper", entry, _MEMBERS)
        check_text(wallpaper["author"], 80)
        read_licence(wallpaper["licence"])
        read_locales("The title of a wallpaper", wallpaper["title"], 80)
        for name in ("height", "width"):
            read_integer(f"The {name} of a wallpaper", wallpaper[name], SHORTEST, LONGEST)
        length = read_integer("The length of a picture", wallpaper["length"], 1, PICTURE_LIMIT)
        digest = read_match("The hash of a picture", wallpaper["sha256"], _SHA256)
        if not _is_placeholder(wallpaper["placeholder"]):
            raise ContentError("The placeholder of a wallpaper is none.")
        if pictures.get(key) != File(length, digest):
            raise ContentError("A wallpaper's picture is not the one that the index lists.")
    if pictures.keys() != entries.keys():
        raise ContentError("The index lists a picture that no wallpaper has.")


def _is_placeholder(value: object) -> bool:
    if not isinstance(value, str) or len(value) < 6 or not set(value) <= set(_DIGITS):
        return False
    waves = _DIGITS.index(value[0])
    return waves < 81 and len(value) == 4 + 2 * (waves % 9 + 1) * (waves // 9 + 1)
