"""Checks a whole pack by the schema of its kind."""

from collections.abc import Collection, Mapping
from typing import Any

from client_sim.content.apn import check_apns
from client_sim.content.ca import check_certificates
from client_sim.content.countries import check_emergency, check_holidays
from client_sim.content.greetings import check_greetings
from client_sim.content.index import File
from client_sim.content.notices import check_notices
from client_sim.content.themes import check_themes, check_wallpapers
from client_sim.content.zones import check_zones


def check_entries(
    kind: str,
    entries: Mapping[str, Any],
    *,
    hosts: Collection[str],
    pictures: Mapping[str, File],
    wallpapers: Collection[str] | None,
) -> None:
    """Check all entries of a pack; raises ContentError.

    `hosts` are the hosts that links may lead to, `pictures` the pictures that the index lists with
    the pack. `wallpapers` are the names that a theme may use; None allows any.
    """
    match kind:
        case "features" | "notices":
            check_notices(entries, hosts)
        case "themes":
            check_themes(entries, wallpapers)
        case "wallpapers":
            check_wallpapers(entries, pictures)
        case _:
            _CHECKS[kind](entries)


_CHECKS = {
    "apn": check_apns,
    "ca": check_certificates,
    "emergency": check_emergency,
    "greetings": check_greetings,
    "holidays": check_holidays,
    "zones": check_zones,
}
