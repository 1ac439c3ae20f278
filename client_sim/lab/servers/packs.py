"""Two small packs of public content, edition by edition (FORMATS section 15).

Of the emergency numbers one part in four changes with each edition, the notices have one part. Who
uses an edition is a matter of the phone's place; who fetches it must not be.
"""

import hashlib
import json
import lzma
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

KINDS: Final[Mapping[str, str]] = MappingProxyType({"tables": "emergency", "content": "notices"})
"""The kind of pack that each role has here."""

_PARTS: Final = {"emergency": 4, "notices": 1}
_SOURCES: Final = [{"licence": "CC0-1.0", "name": "made for the lab", "version": "1"}]


def describe_pack(role: str, edition: int) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Give the index of a role with its pack, and the targets that are its parts."""
    kind = KINDS[role]
    pack = {
        "rollout": [[0, 500]],
        "sources": _SOURCES,
        "start": 0,
        "title": {"en": "Known to everybody", "id": "Diketahui semua orang"},
        "version": edition,
        "withdrawn": False,
    }
    targets = {
        f"{role}/{kind}/{number:02}.xz": {
            "custom": {"schema": 1},
            "hashes": {"sha256": hashlib.sha256(octets).hexdigest()},
            "length": len(octets),
        }
        for number, octets in enumerate(encode_parts(role, edition))
    }
    return {"hosts": [], "packs": {kind: pack}, "schema": 1}, targets


@lru_cache(maxsize=256)
def encode_parts(role: str, edition: int) -> tuple[bytes, ...]:
    """Give the octets of all parts of a role's pack."""
    kind = KINDS[role]
    parts: list[dict[str, Any]] = [{} for _ in range(_PARTS[kind])]
    for key, entry in _entries(kind, edition).items():
        parts[hashlib.sha256(key.encode()).digest()[0] * len(parts) // 256][key] = entry
    return tuple(_encode(kind, number, entries) for number, entries in enumerate(parts))


def _entries(kind: str, edition: int) -> dict[str, Any]:
    if kind == "emergency":
        return {
            "DE": {"exact": False, "numbers": ["110", "112"]},
            "ID": {"exact": False, "numbers": ["112", str(200 + edition)]},
        }
    said = {"en": f"Notice {edition}.", "id": f"Pemberitahuan {edition}."}
    notice = {"body": said, "published": "2025-01-05", "severity": "info", "title": said}
    return {f"notice-{edition}": notice}


def _encode(kind: str, number: int, entries: dict[str, Any]) -> bytes:
    part = {"entries": entries, "kind": kind, "part": number, "schema": 1}
    text = json.dumps(part, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"
    return lzma.compress(text.encode(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)
