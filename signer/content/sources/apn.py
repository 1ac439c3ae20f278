"""Access points, from mobile-broadband-provider-info or a file of Android's form.

`serviceproviders.xml` (GNOME's format 2.0) says which networks a provider's access points belong
to, and gives the country of providers without network numbers. `apns-conf.xml` (Android) has one
network for each access point.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from server.core.content.countries import (
    MAX_ADDRESS,
    MAX_CARRIER,
    MAX_WORD,
    NETWORK,
    Protocol,
    Type,
)
from signer.content.sources.build_result import BuildResult, LeftOut, name_source
from signer.errors import SourceError

TYPES = frozenset(get_args(Type))
#: Members whose length a protocol limits, and the limit in bytes.
MEMBERS = {
    "apn": MAX_WORD,
    "mmsc": MAX_ADDRESS,
    "mmsproxy": MAX_WORD,
    "password": MAX_WORD,
    "proxy": MAX_WORD,
    "user": MAX_WORD,
}
PORTS = frozenset({"mmsport", "port"})
PRINTABLE = re.compile(r"[ -~]+")
#: Patterns that no text of a pack may contain.
FORBIDDEN = re.compile(r"[<>]|https?:|www\.|javascript:|data:", re.IGNORECASE)

#: The reason for leaving out a part of the source that no member of an entry can hold.
NO_PLACE = "entries have no place for it"


@dataclass(frozen=True, slots=True)
class ReadReport:
    """Collects a reader's reports besides access points: notes, and omitted parts of the source."""

    notes: list[str] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


def make_access_point(
    carrier: str, types: Iterable[str], words: dict[str, str | None], where: str, report: ReadReport
) -> dict[str, object] | None:
    """Return the access point of FORMATS 15 with `words`, which are named as in MEMBERS and PORTS.

    Spaces around values are removed, empty values are ignored, and a member that phones could not
    use is left out. Returns None without a usable `apn` or type. `where` is the place in the source
    that `report` reports.
    """
    point: dict[str, object] = {"carrier": _shorten(carrier, where, report.notes)}
    for name, word in words.items():
        value = (word or "").strip()
        if not value:
            continue
        if name in PORTS and value.isascii() and value.isdigit() and 0 < int(value) < 65536:
            point[name] = int(value)
        elif name in MEMBERS and len(value) <= MEMBERS[name] and PRINTABLE.fullmatch(value):
            point[name] = value
        else:
            report.left_out.add("a member that phones could not use", f"{where}: {name} {value!r}")
    requested = set(types)
    for name in sorted(requested - TYPES):
        report.left_out.add("a type without a meaning here", f"{where}: {name}")
    point["types"] = sorted(requested & TYPES)
    if "apn" not in point or not point["types"]:
        report.left_out.add("an access point without a name of its own, or a type", where)
        return None
    return point


def _shorten(carrier: str, where: str, notes: list[str]) -> str:
    """Return a carrier's name as one line of at most 100 characters."""
    name = " ".join(unicodedata.normalize("NFC", FORBIDDEN.sub(" ", carrier)).split())
    if len(name) > MAX_CARRIER:
        notes.append(f"{where}: the name is cut to {MAX_CARRIER} characters: {name}")
        name = name[: MAX_CARRIER - 1].rstrip() + "…"
    return name or "?"


#: android.provider.Telephony.Carriers, AUTH_TYPE
METHODS = {"0": "none", "1": "pap", "2": "chap", "3": "pap-chap"}
PROTOCOLS = frozenset(get_args(Protocol))
ANDROID_TAKEN = frozenset({
    "apn", "authtype", "carrier", "carrier_enabled", "mcc", "mmsc", "mmsport", "mmsproxy", "mnc",
    "password", "port", "protocol", "proxy", "type", "user",
})  # fmt: skip
WORDS = ("apn", "mmsc", "mmsport", "mmsproxy", "password", "port", "proxy", "user")


def read_android(root: Element, report: ReadReport) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield pairs of an entry's key and an access point, in the file's order."""
    for number, element in enumerate(root.iterfind("apn"), start=1):
        carrier = element.get("carrier") or ""
        where = f"access point {number}, {carrier}"
        for name in set(element.keys()) - ANDROID_TAKEN:
            report.left_out.add(NO_PLACE, name)
        key = f"{element.get('mcc') or ''}-{element.get('mnc') or ''}"
        if not NETWORK.fullmatch(key):
            report.left_out.add("an access point of no network", where)
            continue
        if element.get("carrier_enabled") == "false":
            report.left_out.add("an access point that the list disables", where)
            continue
        words = {name: element.get(name) for name in WORDS}
        point = make_access_point(carrier, _types_of(element), words, where, report)
        if point is None:
            continue
        if (method := METHODS.get(element.get("authtype") or "")) is not None:
            point["auth"] = method
        if (protocol := element.get("protocol")) in PROTOCOLS:
            point["protocol"] = protocol
        yield key, point


def _types_of(element: Element) -> set[str]:
    """Return the types; in Android, no type or a star means every type."""
    words = {word.strip().lower() for word in (element.get("type") or "*").split(",")}
    return set(TYPES - {"emergency", "ia"}) if "*" in words else words - {""}


#: Android's types for each `usage`; an access point without `usage` is for data.
USAGES = {
    None: ("default",),
    "ia": ("ia",),
    "internet": ("default", "supl"),
    "mms": ("mms",),
    "mms-internet-hipri": ("default", "mms", "supl", "hipri"),
    "mms-internet-hipri-fota": ("default", "mms", "supl", "hipri", "fota"),
    "wap": ("default",),
}
PROVIDERS_TAKEN = frozenset({
    "apn", "authentication", "country", "gsm", "mmsc", "mmsproxy", "name", "network-id", "password",
    "provider", "usage", "username",
})  # fmt: skip


def read_providers(root: Element, report: ReadReport) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield pairs of an entry's key and an access point, those of primary providers first."""
    providers = [
        (country.get("code", "").upper(), provider)
        for country in root.iterfind("country")
        for provider in country.iterfind("provider")
    ]
    for tag in _list_left_out(root):
        report.left_out.add(NO_PLACE, f"<{tag}>")
    for country, provider in sorted(providers, key=lambda pair: pair[1].get("primary") != "true"):
        name = _name_of(provider)
        where = f"{country}, {name or 'a provider without a name'}"
        points = provider.findall("gsm/apn")
        keys = list(_networks_of(provider, where, report))
        if keys and not points:
            report.notes.append(f"{where}: no access points for {', '.join(keys)}")
        for element in points:
            point = _point_of(element, name, where, report)
            if point is not None:
                yield from ((key, dict(point)) for key in keys or [country])


def _list_left_out(element: Element) -> Iterator[str]:
    """Yield the tags of elements that are not used; used elements are searched recursively."""
    for child in element:
        if child.tag in PROVIDERS_TAKEN:
            yield from _list_left_out(child)
        else:
            yield str(child.tag)


def _networks_of(provider: Element, where: str, report: ReadReport) -> Iterator[str]:
    for network in provider.iterfind("gsm/network-id"):
        key = f"{network.get('mcc')}-{network.get('mnc')}"
        if NETWORK.fullmatch(key):
            yield key
        else:
            report.left_out.add("numbers that no network can have", f"{where}: {key}")


def _point_of(
    element: Element, provider: str, where: str, report: ReadReport
) -> dict[str, object] | None:
    own = _name_of(element)
    carrier = f"{provider}: {own}" if own and own not in provider else provider
    usage = element.find("usage")
    kind = None if usage is None else usage.get("type")
    proxy, _, port = (element.findtext("mmsproxy") or "").strip().partition(":")
    words = {
        "apn": element.get("value"),
        "mmsc": element.findtext("mmsc"),
        "mmsport": port,
        "mmsproxy": proxy,
        "password": element.findtext("password"),
        "user": element.findtext("username"),
    }
    types = {*USAGES.get(kind, (str(kind),)), *(("mms",) if words["mmsc"] else ())}
    point = make_access_point(carrier, types, words, f"{where}, {words['apn']}", report)
    method = element.find("authentication")
    if point is not None and method is not None and method.get("method") in {"chap", "pap"}:
        point["auth"] = method.get("method")
    return point


def _name_of(element: Element) -> str:
    """Return the name without a language, or else the first one with a language."""
    names = element.findall("name")
    plain = [each for each in names if not each.keys()] or names
    return " ".join((plain[0].text or "").split()) if plain else ""


NAME = "mobile-broadband-provider-info"
LICENCE = "CC-PDDC"
#: The upstream files have less than a megabyte.
MAX_BYTES = 16 * 1024 * 1024
READERS = {"serviceproviders": read_providers, "apns": read_android}


def load_apn(path: Path, version: str, *, name: str = "", licence: str = "") -> BuildResult:
    """Build the kind `apn` from either form; `version` is that of the package the file is from.

    GNOME's form is attributed to mobile-broadband-provider-info by default. Android's form has many
    publishers, so it needs `name` and `licence`. Identical access points of a network are kept
    once. Raises SourceError if the file is neither form, is not well formed, declares entities, or
    lacks its name or licence.
    """
    root = _parse(path)
    reader = READERS.get(root.tag)
    if reader is None:
        raise SourceError(
            f"{path} begins with <{root.tag}>; give a serviceproviders.xml or an apns-conf.xml."
        )
    if root.tag == "serviceproviders":
        name, licence = name or NAME, licence or (LICENCE if name in {"", NAME} else "")
    if not name or not licence:
        raise SourceError(
            f"{path} does not name its publisher; give --source-name and --source-licence."
        )
    report = ReadReport()
    networks: dict[str, list[dict[str, object]]] = {}
    for key, point in reader(root, report):
        points = networks.setdefault(key, [])
        if point in points:
            report.left_out.add("an access point that its network has already", key)
        else:
            points.append(point)
    entries: dict[str, object] = {key: {"apns": networks[key]} for key in sorted(networks)}
    sources = [name_source(name, version, licence)]
    return BuildResult(entries, sources, notes=tuple(report.notes), left_out=report.left_out)


def _parse(path: Path) -> Element:
    """Return the root of an XML file, parsed without external resources or entity expansion."""
    if path.stat().st_size > MAX_BYTES:
        raise SourceError(f"{path} has more than {MAX_BYTES} bytes, too many for access points.")
    try:
        root = parse(path).getroot()
    except ParseError as error:
        raise SourceError(f"{path}, line {error.position[0]}: not well formed: {error}.") from error
    except DefusedXmlException as error:
        raise SourceError(f"{path} declares entities; give a file without them.") from error
    if root is None:
        raise SourceError(f"{path} is empty; give a serviceproviders.xml or an apns-conf.xml.")
    return root
