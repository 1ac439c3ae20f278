"""An access point as an entry of the kind `apn` has it, from the words of an upstream file."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from signer.content.sources.left_out import LeftOut

TYPES = frozenset({
    "cbs", "default", "dun", "emergency", "fota", "hipri", "ia", "ims", "mms", "supl", "xcap",
})  # fmt: skip
#: Members that are octets of a protocol, and how many they may have.
MEMBERS = {
    "apn": 100,
    "mmsc": 200,
    "mmsproxy": 100,
    "password": 100,
    "proxy": 100,
    "user": 100,
}
PORTS = frozenset({"mmsport", "port"})
MAX_CARRIER = 100
NETWORK = re.compile(r"([0-9]{3})-([0-9]{2,3})")
PRINTABLE = re.compile(r"[ -~]+")
#: What no text of a pack may hold.
FORBIDDEN = re.compile(r"[<>]|https?:|www\.|javascript:|data:", re.IGNORECASE)

#: Why a reader leaves out what an entry does not have.
NO_PLACE = "entries have no place for it"

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Aside:
    """Where a reader tells what is not in the access points: notes, and what it left out."""

    note: Note
    left_out: LeftOut


def make_access_point(
    carrier: str, types: Iterable[str], words: dict[str, str | None], where: str, aside: Aside
) -> dict[str, object] | None:
    """Return the APN of FORMATS 15 with `words` of MEMBERS and PORTS, spaces around them removed.

    What is empty is passed over, and a member that phones could not use is left out; without a
    usable `apn` or type there is no access point, and None. `where` is for `aside`.
    """
    point: dict[str, object] = {"carrier": _shorten(carrier, where, aside.note)}
    for name, word in words.items():
        value = (word or "").strip()
        if not value:
            continue
        if name in PORTS and value.isascii() and value.isdigit() and 0 < int(value) < 65536:
            point[name] = int(value)
        elif name in MEMBERS and len(value) <= MEMBERS[name] and PRINTABLE.fullmatch(value):
            point[name] = value
        else:
            aside.left_out.add("a member that phones could not use", f"{where}: {name} {value!r}")
    wanted = set(types)
    for name in sorted(wanted - TYPES):
        aside.left_out.add("a type without a meaning here", f"{where}: {name}")
    point["types"] = sorted(wanted & TYPES)
    if "apn" not in point or not point["types"]:
        aside.left_out.add("an access point without a name of its own, or a type", where)
        return None
    return point


def _shorten(carrier: str, where: str, note: Note) -> str:
    """Return a carrier's name as one line of at most 100 characters."""
    name = " ".join(unicodedata.normalize("NFC", FORBIDDEN.sub(" ", carrier)).split())
    if len(name) > MAX_CARRIER:
        note(f"{where}: the name is cut to {MAX_CARRIER} characters: {name}")
        name = name[: MAX_CARRIER - 1].rstrip() + "…"
    return name or "?"
