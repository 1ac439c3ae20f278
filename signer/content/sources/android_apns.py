"""Reads Android's list of access points (`apns-conf.xml`, version 8).

An access point without a network's numbers has no country either, so it is left out. What holds
for a virtual operator's SIM cards alone (`mvno_type`) is kept among the network's own: the owner
chooses.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from signer.content.sources.access_point import NETWORK, NO_PLACE, TYPES, Aside, make_access_point

#: android.provider.Telephony.Carriers, AUTH_TYPE
METHODS = {"0": "none", "1": "pap", "2": "chap", "3": "pap-chap"}
PROTOCOLS = frozenset({"IP", "IPV6", "IPV4V6"})
TAKEN = frozenset({
    "apn", "authtype", "carrier", "carrier_enabled", "mcc", "mmsc", "mmsport", "mmsproxy", "mnc",
    "password", "port", "protocol", "proxy", "type", "user",
})  # fmt: skip
WORDS = ("apn", "mmsc", "mmsport", "mmsproxy", "password", "port", "proxy", "user")


def read_android(root: Element, aside: Aside) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield pairs of an entry's key and an access point, in the file's order."""
    for number, element in enumerate(root.iterfind("apn"), start=1):
        carrier = element.get("carrier") or ""
        where = f"access point {number}, {carrier}"
        for name in set(element.keys()) - TAKEN:
            aside.left_out.add(NO_PLACE, name)
        key = f"{element.get('mcc') or ''}-{element.get('mnc') or ''}"
        if not NETWORK.fullmatch(key):
            aside.left_out.add("an access point of no network", where)
            continue
        if element.get("carrier_enabled") == "false":
            aside.left_out.add("an access point that the list disables", where)
            continue
        words = {name: element.get(name) for name in WORDS}
        point = make_access_point(carrier, _types_of(element), words, where, aside)
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
