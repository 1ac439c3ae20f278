"""Access points of carriers: checks, look-up, and their encoding for Android."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, Final

from client_sim.content.kinds import (
    COUNTRY,
    check_ascending,
    read_ascii,
    read_integer,
    read_list,
    read_object,
)
from client_sim.content.text import check_name
from client_sim.device.errors import ContentError

_NETWORK: Final = re.compile(r"[0-9]{3}-[0-9]{2,3}")
_LENGTHS: Final = {
    "mmsc": 200,
    "mmsproxy": 100,
    "password": 100,
    "proxy": 100,
    "user": 100,
}
_PORTS: Final = ("mmsport", "port")
_AUTH: Final = ("none", "pap", "chap", "pap-chap")  # indexed by Android's numbers
_PROTOCOLS: Final = ("IP", "IPV6", "IPV4V6")
_TYPES: Final = frozenset(
    {
        *("default", "mms", "supl", "dun", "hipri", "fota"),
        *("ims", "cbs", "ia", "emergency", "xcap"),
    }
)
_OPTIONAL: Final = (*_LENGTHS, *_PORTS, "auth", "protocol")


def check_apns(entries: Mapping[str, Any]) -> None:
    """Check the entries of a pack; raises ContentError."""
    for key, entry in entries.items():
        if not _NETWORK.fullmatch(key) and not COUNTRY.fullmatch(key):
            raise ContentError("A network has a key that is neither MCC-MNC nor a country.")
        apns = read_object("A network", entry, ("apns",))["apns"]
        for apn in read_list("The access points of a network", apns, 1, 200):
            _check_apn(apn)


def find_apns(entries: Mapping[str, Any], mcc: str, mnc: str | None) -> list[dict[str, Any]]:
    """Return the access points of a network; raises ContentError if the pack has none.

    Without an MNC, `mcc` is a country, and the access points are those without known network
    numbers.
    """
    key = mcc.upper() if mnc is None else f"{mcc}-{mnc}"
    entry = entries.get(key)
    if entry is None:
        description = f"networks of {key} without numbers" if mnc is None else f"the network {key}"
        raise ContentError(f"The pack has no access points of {description}.")
    apns: list[dict[str, Any]] = entry["apns"]
    return apns


def encode_android(apns: list[dict[str, Any]], mcc: str, mnc: str) -> str:
    """Return access points as the text of an Android `apns-conf.xml`."""
    root = ET.Element("apns", version="8")
    for apn in apns:
        values = {"carrier": apn["carrier"], "mcc": mcc, "mnc": mnc, "apn": apn["apn"]}
        values |= {name: str(apn[name]) for name in (*_LENGTHS, *_PORTS) if name in apn}
        if "auth" in apn:
            values["authtype"] = str(_AUTH.index(apn["auth"]))
        if "protocol" in apn:
            values["protocol"] = apn["protocol"]
        ET.SubElement(root, "apn", {**values, "type": ",".join(apn["types"])})
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _check_apn(value: object) -> None:
    apn = read_object("An access point", value, ("apn", "carrier", "types"), _OPTIONAL)
    read_ascii("The name of an access point", apn["apn"], 1, 100)
    check_name(apn["carrier"], 100)
    types = read_list("The types of an access point", apn["types"], 1, 16)
    if not all(isinstance(item, str) and item in _TYPES for item in types):
        raise ContentError("An access point has a type that Android does not know.")
    check_ascending("The types of an access point", types)
    for name, limit in _LENGTHS.items():
        if name in apn:
            read_ascii(f"The {name} of an access point", apn[name], 0, limit)
    for name in _PORTS:
        if name in apn:
            read_integer(f"The {name} of an access point", apn[name], 1, 65_535)
    for name, choices in (("auth", _AUTH), ("protocol", _PROTOCOLS)):
        if name in apn and apn[name] not in choices:
            raise ContentError(f"The {name} of an access point has an unknown value.")
