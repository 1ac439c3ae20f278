"""The owner's data as files that other programs read: one ZIP, the same bytes each time.

contacts.vcf, notes/*.md, messages.xml, photos/ with originals and their times, receipts/, and
manifest.json with the sha256 of each. Nothing in it is encrypted.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from client_sim.cloud import contacts, messages, notes, photos
from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import CloudError, StoreError
from client_sim.cloud.pieces import original_path

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_UNSAFE: Final = re.compile(r"[^\w .()-]+")
Time = tuple[int, int, int, int, int, int]


def export(cloud: Cloud, path: Path) -> dict[str, int]:
    """Write the ZIP; returns how many records of each type are in it. Raises CloudError.

    Photos whose originals are not on the phone are an error: synchronise first.
    """
    counts: dict[str, int] = {}
    manifest: dict[str, str] = {}
    part = path.with_name(f".{path.name}.new")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for kind, name, data, time in _list(cloud):
                manifest[name] = hashlib.sha256(data).hexdigest()
                counts[kind] = counts.get(kind, 0) + _count(kind, data)
                _write(archive, name, data, time)
            text = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
            _write(archive, "manifest.json", text.encode(), _EPOCH)
        part.replace(path)
    except OSError as error:
        raise StoreError(f"The export cannot be written: {error}.") from error
    return counts


def _list(cloud: Cloud) -> Iterator[tuple[str, str, bytes, Time]]:
    """Yield type, name, content and time of each entry, in the order of the archive."""
    store = cloud.store
    cards = sorted(row.body or b"" for row in store.live("contact"))
    if cards:
        yield "contact", "contacts.vcf", b"".join(map(_end_line, cards)), _EPOCH
    names: set[str] = set()
    for body in sorted(row.body or b"" for row in store.live("note")):
        title, text = notes.split_note(body)
        name = _choose(names, "notes", _UNSAFE.sub("_", title).strip(" .") or "note", ".md")
        yield "note", name, text.encode(), _EPOCH
    bodies = [row.body or b"" for row in store.live("message")]
    if bodies:
        yield "message", "messages.xml", messages.join_messages(bodies), _EPOCH
    for body in sorted(row.body or b"" for row in store.live("photo")):
        photo = photos.decode_photo(body)
        try:
            data = original_path(cloud, photo).read_bytes()
        except OSError:
            raise CloudError(
                f"The original of {photo.name} is not on this phone: synchronise first."
            ) from None
        stem, dot, suffix = photo.name.rpartition(".")
        name = _choose(names, "photos", stem or photo.name, dot + suffix if stem else "")
        yield "photo", name, data, _read_time(photo.taken)
    for number, (kind, note) in enumerate(store.receipts(), 1):
        yield "receipt", f"receipts/{number:03}-{kind}.note", note, _EPOCH


def _choose(names: set[str], folder: str, stem: str, suffix: str) -> str:
    """Return a name that no entry has yet."""
    name, number = f"{folder}/{stem}{suffix}", 1
    while name.casefold() in names:
        number += 1
        name = f"{folder}/{stem} ({number}){suffix}"
    names.add(name.casefold())
    return name


def _count(kind: str, data: bytes) -> int:
    if kind == "contact":
        return sum(1 for _ in contacts.split_cards(data))
    return len(messages.split_messages(data)) if kind == "message" else 1


def _end_line(card: bytes) -> bytes:
    return card if card.endswith(b"\n") else card + b"\r\n"


def _read_time(taken: str) -> Time:
    """Return when a photo was taken, as far as a ZIP can say it."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)", taken)
    if found is None:
        return _EPOCH
    year, month, day, hour, minute, second = map(int, found.groups())
    is_date = 1980 <= year <= 2107 and 1 <= month <= 12 and 1 <= day <= 31
    is_time = hour < 24 and minute < 60 and second < 60
    return (year, month, day, hour, minute, second) if is_date and is_time else _EPOCH


def _write(archive: zipfile.ZipFile, name: str, data: bytes, time: Time) -> None:
    entry = zipfile.ZipInfo(name, time)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, data)
