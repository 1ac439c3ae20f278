"""Checks the packs of a role from their bytes; server and signer use the same checks.

Source: docs/FORMATS.md section 15.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from tuf.api.metadata import Targets

from server.core.content import (
    ca,
    countries,
    greetings,
    news,
    themes,
    zones,
)
from server.core.content.index import Index, decode_index, targets_of
from server.core.content.kinds import entry_error, part_paths, picture_path
from server.core.content.part import Entries, check_key, join_parts
from server.core.content.picture import check_picture
from server.core.content.themes import decode_wallpapers
from server.core.errors import FormatError

_CHECKS: Mapping[str, Callable[[str, Entries], object]] = MappingProxyType(
    {
        "apn": countries.check_apns,
        "ca": ca.check_entries,
        "emergency": countries.check_emergency,
        "greetings": greetings.check_entries,
        "holidays": countries.check_holidays,
        "themes": themes.check_entries,
        "wallpapers": decode_wallpapers,
        "zones": zones.check_entries,
    }
)


def check_entries(kind: str, entries: Entries, hosts: Collection[str]) -> None:
    """Raise FormatError, naming kind, key and rule, unless `entries` are a complete pack of `kind`.

    `hosts` are the allowed hosts of links.
    """
    for key in entries:
        check_key(key)
    if kind in {"features", "notices"}:
        news.check_entries(kind, entries, hosts)
    elif kind in _CHECKS:
        _CHECKS[kind](kind, entries)
    else:
        raise FormatError(f"{kind[:40]!r} is not a kind of pack.")


Read = Callable[[str], bytes]
"""Returns the bytes of the target at a path, with length and hash verified."""


def check_packs(role: str, before: Targets | None, after: Targets, read: Read) -> None:
    """Raise FormatError, naming kind, key and rule, unless the packs of `after` are valid.

    All parts are read, because some rules span kinds, and hosts may have changed. Pictures are read
    only if their pack is new. Withdrawn packs are not checked, because a bad pack must be
    removable.
    """
    old = Index((), {}) if before is None else decode_index(role, before)
    index = decode_index(role, after)
    packs: dict[str, dict[str, Any]] = {}
    for kind, pack in index.packs.items():
        if not pack.is_withdrawn:
            packs[kind] = join_parts(kind, [read(path) for path in part_paths(kind)])
            check_entries(kind, packs[kind], index.hosts)
    if "wallpapers" in packs or "wallpapers" not in index.packs:
        check_themes(packs)
    if "wallpapers" in packs:
        check_pictures_listed(packs["wallpapers"], after)
        known = old.packs.get("wallpapers")
        if known is None or known.version != index.packs["wallpapers"].version:
            check_pictures(packs["wallpapers"], read)


def check_themes(packs: Mapping[str, Entries]) -> None:
    """Raise FormatError if a theme names a wallpaper that is not in the pack of wallpapers."""
    wallpapers = packs.get("wallpapers", {})
    for key, theme in packs.get("themes", {}).items():
        if "wallpaper" in theme and theme["wallpaper"] not in wallpapers:
            raise entry_error("themes", key, f"there is no wallpaper {theme['wallpaper']!r}")


def check_pictures_listed(entries: Entries, targets: Targets) -> None:
    """Raise FormatError unless `targets` lists exactly the entries' pictures and hashes."""
    of_kind = targets_of("wallpapers", targets.targets)
    listed = {path: (t.length, t.hashes["sha256"]) for path, t in of_kind.items()}
    for path in part_paths("wallpapers"):
        del listed[path]
    for key, wallpaper in decode_wallpapers("wallpapers", entries).items():
        if listed.pop(picture_path(key), None) != (wallpaper.length, wallpaper.sha256):
            raise entry_error("wallpapers", key, "its picture is not listed with its hash")
    for path in listed:
        raise FormatError(f"{path} is listed, but wallpapers has no entry for it.")


def check_pictures(entries: Entries, read: Read) -> None:
    """Raise FormatError unless every picture is valid and has the size in its entry."""
    for key, wallpaper in decode_wallpapers("wallpapers", entries).items():
        try:
            check_picture(read(picture_path(key)), wallpaper.width, wallpaper.height)
        except FormatError as error:
            raise entry_error("wallpapers", key, str(error)) from error
