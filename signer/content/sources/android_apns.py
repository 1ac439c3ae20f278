"""Reads Android's list of access points (`apns-conf.xml`, version 8).

An access point without a network's numbers has no country either, so it is left out. What holds
for a virtual operator's SIM cards alone (`mvno_type`) is kept among the network's own: the owner
chooses.
"""

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from signer.content.sources.access_point import NETWORK, TYPES, Note, make_access_point

#: android.provider.Telephony.Carriers, AUTH_TYPE
METHODS = {"0": "none", "1": "pap", "2": "chap", "3": "pap-chap"}
PROTOCOLS = frozenset({"IP", "IPV6", "IPV4V6"})
TAKEN = frozenset({
    "apn", "authtype", "carrier", "carrier_enabled", "mcc", "mmsc", "mmsport", "mmsproxy", "mnc",
    "password", "port", "protocol", "proxy", "type", "user",
})  # fmt: skip
WORDS = ("apn", "mmsc", "mmsport", "mmsproxy", "password", "port", "proxy", "user")


def read_android(root: Element, path: str, note: Note) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield pairs of an entry's key and an access point, in the file's order."""
    unknown = Counter(name for each in root.iterfind("apn") for name in set(each.keys()) - TAKEN)
    for name, count in sorted(unknown.items()):
        note(f"{path}: left out, for entries have no place for it: {name}, {count} times")
    for number, element in enumerate(root.iterfind("apn"), start=1):
        carrier = element.get("carrier") or ""
        where = f"{path}: access point {number}, {carrier}"
        key = f"{element.get('mcc') or ''}-{element.get('mnc') or ''}"
        if not NETWORK.fullmatch(key):
            note(f"{where}: left out, for it is of no network")
            continue
        if element.get("carrier_enabled") == "false":
            note(f"{where}: left out, for the list disables it")
            continue
        words = {name: element.get(name) for name in WORDS}
        point = make_access_point(carrier, _types_of(element), words, where, note)
        if point is None:
            continue
        if (method := METHODS.get(element.get("authtype") or "")) is not None:
            point["auth"] = method
        if (protocol := element.get("protocol")) in PROTOCOLS:
            point["protocol"] = protocol
        yield key, point


def _types_of(element: Element) -> set[str]:
    """Return the types; none at all, or a star, is every type in Android."""
    words = {word.strip().lower() for word in (element.get("type") or "*").split(",")}
    return set(TYPES - {"emergency", "ia"}) if "*" in words else words - {""}
