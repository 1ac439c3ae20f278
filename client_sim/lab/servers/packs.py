"""Small packs of public content, edition by edition (FORMATS section 15).

With each edition of a role one entry of each of its kinds changes, and so one part. Whether a phone
uses an edition depends on its place in the rollout; whether it fetches it must not.
"""

import hashlib
import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from client_sim.lab.servers.contents import Contents
from client_sim.lab.servers.entries import PICTURE, make_bad_entry, make_entries

ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("apn", "ca", "emergency", "zones"), "tables"),
        **dict.fromkeys(("features", "greetings", "holidays"), "content"),
        **dict.fromkeys(("notices", "themes", "wallpapers"), "content"),
    }
)
"""The role of each kind there is."""

PARTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        kind: {"emergency": 4, "greetings": 8, "holidays": 8}.get(
            kind, 1 if role == "content" else 16
        )
        for kind, role in ROLES.items()
    }
)
"""Into how many parts each kind is cut."""

SMALL: Final = ("emergency", "notices")
"""A kind of each role: what is cheap enough to be fetched in tens of thousands of runs."""

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
"""Begin and end of packs that have a time: while the phones of a fleet make their polls."""

_STATES: Final[Mapping[str, Mapping[str, object]]] = {
    "timed": {"end": _SPAN[1], "start": _SPAN[0]},
    "ended": {"end": 1},
    "to come": {"start": 4_102_444_800},
    "for nobody": {"rollout": [[0, 0]]},
    "for all": {"rollout": [[0, 1000]]},
}


def name_part(kind: str, number: int) -> str:
    """Name a part of a kind for people."""
    return f"part {number} of {kind}"


def describe_packs(
    role: str, kinds: Sequence[str], contents: Contents
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the index of a role with its packs, and the targets that are their files."""
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
    """Yield path, target and bytes of every file of every edition so far."""
    for kind in kinds:
        for edition in range(1, contents.edition(ROLES[kind]) + 1):
            for path, data in _files(kind, edition, contents.states(kind, edition)):
                yield path, _target(data), data


def _describe(kind: str, edition: int, contents: Contents) -> dict[str, Any]:
    states = contents.states(kind, edition)
    # A signer never lowers a version; a phone passes over the pack where one did.
    version = 1 if "turned back" in states else edition
    described: dict[str, Any] = {
        # The first one is for all; later ones are for half of the phones.
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
    """Return the bytes of all parts of an edition of a kind; of a bad one an entry is none."""
    parts: list[dict[str, Any]] = [{} for _ in range(PARTS[kind])]
    entries = make_entries(kind, edition)
    if is_bad:
        entries |= make_bad_entry(kind)
    for key, entry in entries.items():
        parts[hashlib.sha256(key.encode()).digest()[0] * len(parts) // 256][key] = entry
    return tuple(_encode(kind, number, own) for number, own in enumerate(parts))


def _encode(kind: str, number: int, entries: dict[str, Any]) -> bytes:
    part = {"entries": entries, "kind": kind, "part": number, "schema": 1}
    text = json.dumps(part, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"
    return lzma.compress(text.encode(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)
