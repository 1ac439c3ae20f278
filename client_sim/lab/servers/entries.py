"""Entries of packs, as few as there may be: one that stays and one that every edition changes."""

import base64
import hashlib
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

_CERTIFICATE: Final = base64.b64decode(
    b"MIIBBzCBuqADAgECAgEBMAUGAytlcDAiMSAwHgYDVQQDDBdBbiBhdXRob3JpdHkgb2YgdGhlIGxhYjAgFw0y"
    b"NTAxMDEwMDAwMDBaGA8yMDk5MDEwMTAwMDAwMFowIjEgMB4GA1UEAwwXQW4gYXV0aG9yaXR5IG9mIHRoZSBs"
    b"YWIwKjAFBgMrZXADIQDwR+6jSOnq75WFYZaoIo1cN1YN+zCpDpWBEaTfNNvyq6MTMBEwDwYDVR0TAQH/BAUw"
    b"AwEB/zAFBgMrZXADQQD7FjH4wdLY8zOPZexfguKTnSBtQ1knIZcKGs9CuDav6vjzVWFBzSXtsTH8zTgnWJnV"
    b"78idkyJodYwVgIq1FjwE"
)
"""A CA certificate under which nothing is issued: its key was thrown away."""

PICTURE: Final = base64.b64decode(
    b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAKBueIx4ZKCMgoy0qqC+8P//8Nzc8P//////////////////////"
    b"////////////////////////////////////wAALCABAAEABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/"
    b"xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/AJAAAAAAAAAAAAAAAAAAAAAf/9k="
)
"""A grey square of 64 by 64."""

_DIGEST: Final = hashlib.sha256(PICTURE).hexdigest()
_BY: Final = {"author": "The lab", "licence": "CC0-1.0"}
_COLOURS: Final = {"background": "#000000", "primary": "#0000ff", "text": "#ffffff"}
_HEADER: Final = struct.Struct(">4s1s15x6I")
_EMPTY: Final = _HEADER.pack(b"TZif", b"2", 0, 0, 0, 0, 1, 1) + bytes(7)
_UTC: Final = _HEADER.pack(b"TZif", b"2", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
_ZONE: Final = _EMPTY + _UTC + b"\nUTC0\n"


def make_entries(kind: str, edition: int) -> dict[str, Any]:
    """Make the entries of an edition of a kind by key."""
    return _MAKERS[kind](edition)


def make_bad_entry(kind: str) -> dict[str, Any]:
    """Make an entry that no phone takes for one of the kind, in place of the one that changes."""
    key = {"apn": "510-10", "emergency": "ID", "ca": "0" * 64}.get(kind, "bad")
    return {key: {"script": "<script>"}}


def _say(text: str) -> dict[str, str]:
    return {"en": f"{text}.", "id": f"Yaitu: {text}."}


def _apn(edition: int) -> dict[str, Any]:
    points = {"262-01": "internet", "510-10": f"internet-{edition}"}
    return {
        network: {"apns": [{"apn": apn, "carrier": "A carrier", "types": ["default"]}]}
        for network, apn in points.items()
    }


def _ca(edition: int) -> dict[str, Any]:
    der = base64.b64encode(_CERTIFICATE).decode()
    return {hashlib.sha256(_CERTIFICATE).hexdigest(): {"der": der, "name": f"Name {edition}"}}


def _emergency(edition: int) -> dict[str, Any]:
    return {
        "DE": {"exact": False, "numbers": ["110", "112"]},
        "ID": {"exact": False, "numbers": ["112", str(200 + edition)]},
    }


def _zones(edition: int) -> dict[str, Any]:
    zone = {"tzif": base64.b64encode(_ZONE).decode()}
    return {"Asia/Jakarta": zone, "Etc/UTC": zone, f"Lab/{edition}": {"link": "Etc/UTC"}}


def _greetings(edition: int) -> dict[str, Any]:
    occasion = {"days": {"*": ["2026-01-01"], "ID": ["2026-08-17"]}, "name": _say("A day")}
    texts = {"de": "Alles Gute", "id": f"Selamat {edition}", "ar": "كل عام وأنتم بخير"}
    return {
        "occasion/day": occasion,
        **{f"text/{locale}/day/1": {**_BY, "text": text} for locale, text in texts.items()},
    }


def _holidays(edition: int) -> dict[str, Any]:
    days = {"DE": "2026-10-03", "ID": "2026-08-17"}
    return {
        f"{country}-2026": {"days": [[day, _say(f"Day {edition if country == 'ID' else 0}")]]}
        for country, day in days.items()
    }


def _notices(edition: int) -> dict[str, Any]:
    said = _say(f"Notice {edition}")
    notice = {"body": said, "published": "2025-01-05", "severity": "info", "title": said}
    return {f"notice-{edition}": notice}


def _themes(edition: int) -> dict[str, Any]:
    title = _say(f"Theme {edition}")
    return {"night": {**_BY, "dark": _COLOURS, "light": _COLOURS, "title": title}}


def _wallpapers(edition: int) -> dict[str, Any]:
    return {
        name: {
            **_BY,
            "height": 64,
            "length": len(PICTURE),
            "placeholder": "00TI:j",
            "sha256": _DIGEST,
            "title": _say(f"{name} {edition}"),
            "width": 64,
        }
        for name in ("dawn", "dusk")
    }


_MAKERS: Final[Mapping[str, Callable[[int], dict[str, Any]]]] = {
    "apn": _apn,
    "ca": _ca,
    "emergency": _emergency,
    "features": _notices,
    "greetings": _greetings,
    "holidays": _holidays,
    "notices": _notices,
    "themes": _themes,
    "wallpapers": _wallpapers,
    "zones": _zones,
}
