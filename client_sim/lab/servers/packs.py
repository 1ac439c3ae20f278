"""Small packs of public content in several editions (FORMATS section 15), and their histories.

They have as few entries as possible: one that stays and one that each edition changes, so each
edition changes one part. A phone uses an edition depending on its place in the rollout, but must
fetch it in any case.
"""

import base64
import hashlib
import json
import lzma
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from client_sim.lab.servers.contents import (
    Change,
    Contents,
    Publication,
    one_by_one,
    renew_content,
    renew_tables,
    set_state,
    unchanged,
)

ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("apn", "ca", "emergency", "zones"), "tables"),
        **dict.fromkeys(("features", "greetings", "holidays"), "content"),
        **dict.fromkeys(("notices", "themes", "wallpapers"), "content"),
    }
)
"""The role of each kind of pack."""

PARTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        kind: {"emergency": 4, "greetings": 8, "holidays": 8}.get(
            kind, 1 if role == "content" else 16
        )
        for kind, role in ROLES.items()
    }
)
"""The number of parts of each kind."""

SMALL: Final = ("emergency", "notices")
"""One kind of each role, small enough to be fetched in tens of thousands of runs."""

_SOURCES: Final = [{"licence": "CC0-1.0", "name": "made for the lab", "version": "1"}]
_TITLE: Final = {
    "ar": "معروف للجميع",
    "en": "Known to everybody",
    "es": "Conocido por todos",
    "hi": "सबको ज्ञात",
    "id": "Diketahui semua orang",
    "ru": "Известно всем",
    "zh": "众所周知",
}
_DAY: Final = 86_400
_SPAN: Final = (1_767_225_600 + 2 * _DAY, 1_767_225_600 + 6 * _DAY)
"""The start and end of timed packs, within the time in which the phones of a fleet poll."""

_STATES: Final[Mapping[str, Mapping[str, object]]] = {
    "timed": {"end": _SPAN[1], "start": _SPAN[0]},
    "ended": {"end": 1},
    "to come": {"start": 4_102_444_800},
    "for nobody": {"rollout": [[0, 0]]},
    "for all": {"rollout": [[0, 1000]]},
}

_CERTIFICATE: Final = base64.b64decode(
    b"MIIBBzCBuqADAgECAgEBMAUGAytlcDAiMSAwHgYDVQQDDBdBbiBhdXRob3JpdHkgb2YgdGhlIGxhYjAgFw0y"
    b"NTAxMDEwMDAwMDBaGA8yMDk5MDEwMTAwMDAwMFowIjEgMB4GA1UEAwwXQW4gYXV0aG9yaXR5IG9mIHRoZSBs"
    b"YWIwKjAFBgMrZXADIQDwR+6jSOnq75WFYZaoIo1cN1YN+zCpDpWBEaTfNNvyq6MTMBEwDwYDVR0TAQH/BAUw"
    b"AwEB/zAFBgMrZXADQQD7FjH4wdLY8zOPZexfguKTnSBtQ1knIZcKGs9CuDav6vjzVWFBzSXtsTH8zTgnWJnV"
    b"78idkyJodYwVgIq1FjwE"
)
"""A CA certificate whose key was deleted, so that nothing can be issued with it."""

PICTURE: Final = base64.b64decode(
    b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAKBueIx4ZKCMgoy0qqC+8P//8Nzc8P//////////////////////"
    b"////////////////////////////////////wAALCABAAEABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/"
    b"xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/AJAAAAAAAAAAAAAAAAAAAAAf/9k="
)
"""A JPEG of a grey square of 64 by 64 pixels."""

_DIGEST: Final = hashlib.sha256(PICTURE).hexdigest()
_AUTHORSHIP: Final = {"author": "The lab", "licence": "CC0-1.0"}
_COLOURS: Final = {"background": "#000000", "primary": "#0000ff", "text": "#ffffff"}
_HEADER: Final = struct.Struct(">4s1s15x6I")
_EMPTY: Final = _HEADER.pack(b"TZif", b"2", 0, 0, 0, 0, 1, 1) + bytes(7)
_UTC: Final = _HEADER.pack(b"TZif", b"2", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
_ZONE: Final = _EMPTY + _UTC + b"\nUTC0\n"

_STEPS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("to begin and to end, withdrawn, and followed", ("timed", "! withdrawn", "")),
    ("withdrawn, and followed", ("! withdrawn", "", "")),
    ("withdrawn and followed while phones sleep", ("", "! withdrawn; ", "")),
    ("staged for nobody, then for all", ("for nobody", "! for all", "")),
    ("to begin and to end", ("timed", "-", "")),
    ("to come, or over", ("to come", "ended", "")),
    ("bad, followed, and bad again", ("bad", "", "bad")),
    ("bad, and withdrawn", ("bad", "! withdrawn", "")),
    ("turned back to the first version", ("", "turned back", "")),
)
"""Histories: each step is the state of a new version, or after `!` of the current one.

`-` is an empty step. States separated by `; ` become public between the same two polls.
"""
STATE_PAIRS: Final = (
    ("for nobody", "for all"),
    ("to come", "ended"),
    ("timed", "for nobody"),
    ("bad", "for all"),
)
"""Pairs of states that two servers announce to the same phone."""

HISTORIES: Final = tuple(name for name, _ in _STEPS)
"""The names of the histories of a pack."""


def name_part(kind: str, number: int) -> str:
    """Return the display name of a part of a kind."""
    return f"part {number} of {kind}"


def describe_packs(
    role: str, kinds: Sequence[str], contents: Contents
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the index of a role with its packs, and the targets for their files."""
    packs: dict[str, Any] = {}
    targets: dict[str, dict[str, Any]] = {}
    edition = contents.edition(role)
    for kind in kinds:
        if ROLES[kind] == role:
            states = contents.states(kind, edition)
            packs[kind] = _describe(kind, edition, contents)
            targets |= {path: _target(data) for path, data in _files(kind, edition, states)}
    return {"hosts": [], "packs": packs, "schema": 1}, targets


def list_files(
    kinds: Sequence[str], contents: Contents
) -> Iterator[tuple[str, dict[str, Any], bytes]]:
    """Yield the path, target and bytes of every file of all editions so far."""
    for kind in kinds:
        for edition in range(1, contents.edition(ROLES[kind]) + 1):
            for path, data in _files(kind, edition, contents.states(kind, edition)):
                yield path, _target(data), data


def _describe(kind: str, edition: int, contents: Contents) -> dict[str, Any]:
    states = contents.states(kind, edition)
    # A signer never decreases a version; if it happens, a phone ignores the pack.
    version = 1 if "turned back" in states else edition
    described: dict[str, Any] = {
        # The first edition is for all phones; later ones are for half of them.
        "rollout": [[0, 1000 if edition == 1 else 500]],
        "sources": _SOURCES,
        "start": 0,
        "title": _TITLE,
        "version": version,
        "withdrawn": [
            each for each in range(1, version + 1) if "withdrawn" in contents.states(kind, each)
        ],
    }
    for state in states:
        described |= _STATES.get(state, {})
    return described


def _files(kind: str, edition: int, states: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    folder = f"{ROLES[kind]}/{kind}"
    for number, data in enumerate(encode_parts(kind, edition, is_bad="bad" in states)):
        yield f"{folder}/{number:02}.xz", data
    if kind == "wallpapers":
        for name in make_entries(kind, edition):
            yield f"{folder}/{name}.jpg", PICTURE


@lru_cache(maxsize=4096)
def _target(data: bytes) -> dict[str, Any]:
    hashes = {"sha256": hashlib.sha256(data).hexdigest()}
    return {"custom": {"schema": 1}, "hashes": hashes, "length": len(data)}


@lru_cache(maxsize=512)
def encode_parts(kind: str, edition: int, *, is_bad: bool = False) -> tuple[bytes, ...]:
    """Return the bytes of all parts of an edition; with `is_bad` one entry is invalid."""
    parts: list[dict[str, Any]] = [{} for _ in range(PARTS[kind])]
    entries = make_entries(kind, edition)
    if is_bad:
        entries |= make_bad_entry(kind)
    for key, entry in entries.items():
        parts[hashlib.sha256(key.encode()).digest()[0] * len(parts) // 256][key] = entry
    return tuple(_encode(kind, number, part) for number, part in enumerate(parts))


def _encode(kind: str, number: int, entries: dict[str, Any]) -> bytes:
    part = {"entries": entries, "kind": kind, "part": number, "schema": 1}
    text = json.dumps(part, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"
    return lzma.compress(text.encode(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)


def make_entries(kind: str, edition: int) -> dict[str, Any]:
    """Return the entries of an edition of a kind by key."""
    return _MAKERS[kind](edition)


def make_bad_entry(kind: str) -> dict[str, Any]:
    """Return an invalid entry of the kind, which replaces the changing one."""
    key = {"apn": "510-10", "emergency": "ID", "ca": "0" * 64}.get(kind, "bad")
    return {key: {"script": "<script>"}}


def _localise(text: str) -> dict[str, str]:
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
    occasion = {"days": {"*": ["2026-01-01"], "ID": ["2026-08-17"]}, "name": _localise("A day")}
    texts = {"de": "Alles Gute", "id": f"Selamat {edition}", "ar": "كل عام وأنتم بخير"}
    return {
        "occasion/day": occasion,
        **{f"text/{locale}/day/1": {**_AUTHORSHIP, "text": text} for locale, text in texts.items()},
    }


def _holidays(edition: int) -> dict[str, Any]:
    days = {"DE": "2026-10-03", "ID": "2026-08-17"}
    return {
        f"{country}-2026": {"days": [[day, _localise(f"Day {edition if country == 'ID' else 0}")]]}
        for country, day in days.items()
    }


def _notices(edition: int) -> dict[str, Any]:
    text = _localise(f"Notice {edition}")
    notice = {"body": text, "published": "2025-01-05", "severity": "info", "title": text}
    return {f"notice-{edition}": notice}


def _themes(edition: int) -> dict[str, Any]:
    title = _localise(f"Theme {edition}")
    return {"night": {**_AUTHORSHIP, "dark": _COLOURS, "light": _COLOURS, "title": title}}


def _wallpapers(edition: int) -> dict[str, Any]:
    return {
        name: {
            **_AUTHORSHIP,
            "height": 64,
            "length": len(PICTURE),
            "placeholder": "00TI:j",
            "sha256": _DIGEST,
            "title": _localise(f"{name} {edition}"),
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


def make_history(name: str, kind: str) -> tuple[Publication, ...]:
    """Return a named history for a kind of pack, with a step before each poll except the first."""
    return make_steps(dict(_STEPS)[name], kind)


def make_steps(steps: Sequence[str], kind: str) -> tuple[Publication, ...]:
    """Return a history of steps in the notation of `_STEPS`."""
    return one_by_one(tuple((f"{kind}: {step}", _change(kind, step)) for step in steps))


def _change(kind: str, step: str) -> Change:
    first, then, second = step.partition("; ")
    if then:
        return lambda contents: _change(kind, second)(_change(kind, first)(contents))
    role = ROLES[kind]
    if step == "-":
        return unchanged
    if step.startswith("! "):
        return set_state(kind, role, step.removeprefix("! "))

    def change(contents: Contents) -> Contents:
        renewed = renew_tables(contents) if role == "tables" else renew_content(contents)
        return set_state(kind, role, step)(renewed) if step else renewed

    return change
