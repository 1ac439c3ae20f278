"""Themes: colours that can be read, and the wallpaper that goes with them."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from client_sim.content.shape import (
    NAME,
    read_licence,
    read_locales,
    read_match,
    read_object,
)
from client_sim.content.text import check_text
from client_sim.device.errors import ContentError

_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_COLOURS: Final = ("background", "primary", "text")
_CONTRAST: Final = 4.5


def check_themes(entries: Mapping[str, Any], wallpapers: Collection[str] | None) -> None:
    """Check the entries of a pack; raises ContentError.

    `wallpapers` are those that a theme may name, any where it is None.
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
