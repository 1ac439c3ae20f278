"""Time zones: their schema, and how one is found by name."""

import re
from collections.abc import Mapping
from typing import Any, Final

from client_sim.content.shape import decode_base64, read_match, read_object
from client_sim.content.tzif import Zone, decode_tzif
from client_sim.device.errors import ContentError

_TZIF_LIMIT: Final = 65_536
# None is empty, none is `.` or `..`, and none ends in a dot, as no file of the database does.
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._+-]*[A-Za-z0-9_+-]")


def check_zones(entries: Mapping[str, Any]) -> None:
    """Check the entries of a pack; raises ContentError."""
    for key, entry in entries.items():
        for segment in key.split("/"):
            read_match("The name of a time zone", segment, _SEGMENT)
        if isinstance(entry, dict) and "link" in entry:
            link = read_object("A time zone", entry, ("link",))["link"]
            target = entries.get(link) if isinstance(link, str) else None
            if not isinstance(target, dict) or "tzif" not in target:
                raise ContentError("A time zone is a link to one that is not there.")
        else:
            tzif = read_object("A time zone", entry, ("tzif",))["tzif"]
            decode_tzif(decode_base64("A time zone", tzif, _TZIF_LIMIT))


def load_zone(entries: Mapping[str, Any], name: str) -> Zone:
    """Return a zone of the pack by its name or link; raises ContentError if there is none."""
    entry = entries.get(name)
    if entry is None:
        raise ContentError(f"The pack has no time zone {name!a}.")
    if "link" in entry:
        entry = entries[entry["link"]]
    return decode_tzif(decode_base64("A time zone", entry["tzif"], _TZIF_LIMIT))
