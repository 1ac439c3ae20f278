"""Packs in a simulated repository, encoded independently: canonical JSON in xz."""

import hashlib
import json
import lzma

from tuf.api.metadata import TargetFile

PARTS = {
    "apn": ("tables", 16),
    "ca": ("tables", 16),
    "emergency": ("tables", 4),
    "zones": ("tables", 16),
    "features": ("content", 1),
    "greetings": ("content", 8),
    "holidays": ("content", 8),
    "notices": ("content", 1),
    "themes": ("content", 1),
    "wallpapers": ("content", 1),
}
SOURCES = [{"licence": "CC0-1.0", "name": "hand-made", "version": "1"}]


def canonical(value):
    """Return the canonical JSON of a value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode() + b"\n"


def number_of(kind, key):
    """Return the number of a key's part."""
    return hashlib.sha256(key.encode()).digest()[0] * PARTS[kind][1] // 256


def encode_part(kind, number, entries):
    """Return the bytes of a part."""
    data = canonical({"entries": entries, "kind": kind, "part": number, "schema": 1})
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=0)


def encode_parts(kind, entries):
    """Return the bytes of all parts of a pack."""
    return [
        encode_part(
            kind, number, {key: entries[key] for key in entries if number_of(kind, key) == number}
        )
        for number in range(PARTS[kind][1])
    ]


def describe(version=1, **changes):
    """Return a pack's entry of an index."""
    return {
        "rollout": [[0, 1000]],
        "sources": SOURCES,
        "start": 0,
        "title": {"en": "A pack", "id": "Paket"},
        "version": version,
        "withdrawn": [],
        **changes,
    }


def put_file(repository, path, data):
    """List and serve a file; return its sha256."""
    role, kind, name = path.split("/")
    sha256 = hashlib.sha256(data).hexdigest()
    target = TargetFile(len(data), {"sha256": sha256}, path)
    target.unrecognized_fields["custom"] = {"schema": 1}
    repository.signed[role].targets[path] = target
    repository.files[f"/targets/{role}/{kind}/{sha256}.{name}"] = data
    return sha256


def put_pack(repository, kind, entries, version=1, pictures=(), hosts=(), **changes):
    """List a pack in the next version of its role; return the paths of its parts.

    `entries` may be the bytes of all parts; `pictures` maps names to bytes.
    """
    role, _ = PARTS[kind]
    custom = repository.signed[role].unrecognized_fields.setdefault(
        "custom", {"hosts": [], "packs": {}, "schema": 1}
    )
    custom["hosts"] = sorted({*custom["hosts"], *hosts})
    custom["packs"][kind] = describe(version, **changes)
    parts = entries if isinstance(entries, list) else encode_parts(kind, entries)
    for name, data in dict(pictures).items():
        put_file(repository, f"{role}/{kind}/{name}.jpg", data)
    return [
        f"/targets/{role}/{kind}/"
        f"{put_file(repository, f'{role}/{kind}/{number:02}.xz', data)}.{number:02}.xz"
        for number, data in enumerate(parts)
    ]
