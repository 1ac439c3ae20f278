"""Reads GNOME's list of providers, format 2.0 (`serviceproviders.2.dtd`).

A provider's access points hold for each of its networks. Not taken over, for the entries have no
place for it: plans, name servers, gateways, balances, CDMA. They are counted.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from signer.content.sources.access_point import NETWORK, NO_PLACE, Aside, make_access_point

#: What `usage` means in Android's words; without one an access point is for data.
USAGES = {
    None: ("default",),
    "ia": ("ia",),
    "internet": ("default", "supl"),
    "mms": ("mms",),
    "mms-internet-hipri": ("default", "mms", "supl", "hipri"),
    "mms-internet-hipri-fota": ("default", "mms", "supl", "hipri", "fota"),
    "wap": ("default",),
}
TAKEN = frozenset({
    "apn", "authentication", "country", "gsm", "mmsc", "mmsproxy", "name", "network-id", "password",
    "provider", "usage", "username",
})  # fmt: skip


def read_providers(root: Element, aside: Aside) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield pairs of an entry's key and an access point, those of primary providers first."""
    providers = [
        (country.get("code", "").upper(), provider)
        for country in root.iterfind("country")
        for provider in country.iterfind("provider")
    ]
    for tag in _list_left_out(root):
        aside.left_out.add(NO_PLACE, f"<{tag}>")
    for country, provider in sorted(providers, key=lambda pair: pair[1].get("primary") != "true"):
        name = _name_of(provider)
        where = f"{country}, {name or 'a provider without a name'}"
        points = provider.findall("gsm/apn")
        keys = list(_networks_of(provider, where, aside))
        if keys and not points:
            aside.note(f"{where}: no access points for {', '.join(keys)}")
        for element in points:
            point = _point_of(element, name, where, aside)
            if point is not None:
                yield from ((key, dict(point)) for key in keys or [country])


def _list_left_out(element: Element) -> Iterator[str]:
    """Yield the tags of the elements that are not taken over, those below them apart."""
    for child in element:
        if child.tag in TAKEN:
            yield from _list_left_out(child)
        else:
            yield str(child.tag)


def _networks_of(provider: Element, where: str, aside: Aside) -> Iterator[str]:
    for network in provider.iterfind("gsm/network-id"):
        key = f"{network.get('mcc')}-{network.get('mnc')}"
        if NETWORK.fullmatch(key):
            yield key
        else:
            aside.left_out.add("numbers that no network can have", f"{where}: {key}")


def _point_of(
    element: Element, provider: str, where: str, aside: Aside
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
    point = make_access_point(carrier, types, words, f"{where}, {words['apn']}", aside)
    method = element.find("authentication")
    if point is not None and method is not None and method.get("method") in {"chap", "pap"}:
        point["auth"] = method.get("method")
    return point


def _name_of(element: Element) -> str:
    """Return the name without a language, or the first of those with one."""
    names = element.findall("name")
    plain = [each for each in names if not each.keys()] or names
    return " ".join((plain[0].text or "").split()) if plain else ""
