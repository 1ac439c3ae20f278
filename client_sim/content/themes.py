"""Themes and wallpapers: checks of their entries, and the fetching of a picture."""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from client_sim.content.index import PICTURE_LIMIT, File
from client_sim.content.kinds import (
    NAME,
    read_integer,
    read_licence,
    read_locales,
    read_match,
    read_object,
)
from client_sim.content.picture import LONGEST, SHORTEST, check_picture
from client_sim.content.text import check_text
from client_sim.device.errors import ContentError
from client_sim.transport import Connection
from client_sim.world import World

_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_COLOURS: Final = ("background", "primary", "text")
_CONTRAST: Final = 4.5


def check_themes(entries: Mapping[str, Any], wallpapers: Collection[str] | None) -> None:
    """Check the entries of a pack; raises ContentError.

    `wallpapers` are the names that a theme may use; None allows any.
    """
    for key, entry in entries.items():
        read_match("The name of a theme", key, NAME)
        theme = read_object(
            "A theme", entry, ("author", "dark", "licence", "light", "title"), ("wallpaper",)
        )
        check_text(theme["author"], 80)
        read_licence(theme["licence"])
        read_locales("The title of a theme", theme["title"], 80)
        if "wallpaper" in theme:
            name = read_match("The wallpaper of a theme", theme["wallpaper"], NAME)
            if wallpapers is not None and name not in wallpapers:
                raise ContentError("A theme has a wallpaper that is not there.")
        for side in ("dark", "light"):
            colours = read_object("The colours of a theme", theme[side], _COLOURS)
            for name in _COLOURS:
                read_match("A colour of a theme", colours[name], _COLOUR)
            if find_contrast(colours["text"], colours["background"]) < _CONTRAST:
                raise ContentError("The text of a theme cannot be read on its background.")


def find_contrast(one: str, other: str) -> float:
    """Return the contrast of two colours `#rrggbb`, 1 to 21 (WCAG 2.2, contrast ratio)."""
    darker, lighter = sorted((_find_luminance(one), _find_luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _find_luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_MEMBERS: Final = (
    *("author", "height", "length", "licence", "placeholder", "sha256", "title", "width"),
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
# BlurHash has 83 digits. The first one states the number of components, and so the length.
_DIGITS: Final = (
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
)


def check_wallpapers(entries: Mapping[str, Any], pictures: Mapping[str, File]) -> None:
    """Check the entries of a pack and its pictures; raises ContentError."""
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
            raise ContentError("The placeholder of a wallpaper is not a BlurHash.")
        if pictures.get(key) != File(length, digest):
            raise ContentError("A wallpaper's picture is not the one that the index lists.")
    if pictures.keys() != entries.keys():
        raise ContentError("The index lists a picture that no wallpaper has.")


def _is_placeholder(value: object) -> bool:
    if not isinstance(value, str) or len(value) < 6 or not set(value) <= set(_DIGITS):
        return False
    waves = _DIGITS.index(value[0])
    return waves < 81 and len(value) == 4 + 2 * (waves % 9 + 1) * (waves // 9 + 1)


def fetch_picture(world: World, file: File, entry: dict[str, Any], name: str) -> bytes:
    """Fetch the picture of a wallpaper; the server learns which one (docs/PRIVACY.md).

    Raises ContentError if it is not the signed file or not a plain picture, and TransportError.
    """
    with Connection(world) as connection:
        path = f"/targets/content/wallpapers/{file.sha256}.{name}.jpg"
        data = connection.get(path, limit=file.length)
    if len(data) != file.length or hashlib.sha256(data).hexdigest() != file.sha256:
        raise ContentError(f"The picture of {name} is not the one that was signed.")
    check_picture(data, entry["width"], entry["height"])
    return data
