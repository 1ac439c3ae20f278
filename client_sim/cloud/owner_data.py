"""The owner's records on this phone: add, import, change and delete them.

Nothing here is sent. Importing a record twice stores it once.
"""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from client_sim.cloud import contacts, messages, notes, photos
from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import RecordError
from client_sim.cloud.keys import hkdf
from client_sim.cloud.pieces import original_path, store_original
from client_sim.cloud.push import new_uid
from client_sim.cloud.records import UID, encode_uid
from client_sim.cloud.store import Row
from client_sim.persona import Persona

#: HKDF info per type: two phones that import the same message or photo give it the same uid.
_UID_INFO: Final = {"message": "hening message 1", "photo": "hening photo record 1"}


def add_contact(cloud: Cloud, card: bytes) -> bool:
    """Add a contact unless it exists; returns whether it was added."""
    contacts.parse_card(card)
    return _add(cloud, "contact", card, cloud.now * 1000)


def add_note(cloud: Cloud, title: str, text: str) -> bool:
    """Add a note unless it exists; returns whether it was added."""
    return _add(cloud, "note", notes.make_note(title, text), cloud.now * 1000)


def add_message(cloud: Cloud, body: bytes) -> bool:
    """Add a message unless it exists; returns whether it was added."""
    return _add(cloud, "message", body, messages.find_date(body), identity=body)


def add_photo(cloud: Cloud, name: str, data: bytes) -> bool:
    """Add a photo unless it exists; raises RecordError if the file is not a photo."""
    photo = photos.make_photo(name, data)
    known = {photos.decode_photo(row.body or b"").sha256 for row in cloud.store.live("photo")}
    if photo.sha256 in known:
        return False
    if not original_path(cloud, photo).is_file():
        store_original(cloud, photo, data)
    taken = "".join(filter(str.isdigit, photo.taken))  # orders photos; newest are sent first
    body = photos.encode_photo(photo)
    return _add(cloud, "photo", body, int(taken or 0), identity=photo.sha256.encode())


def change(cloud: Cloud, uid: str, body: bytes | None) -> None:
    """Change a record, or delete it if `body` is None.

    Raises RecordError if there is no such record, or it is a message to change.
    """
    with cloud.store.transaction():
        row = cloud.store.find(uid)
        if row is None or row.body is None:
            raise RecordError(f"There is no record {uid} on this phone.")
        if row.type == "message" and body is not None:
            raise RecordError("A message cannot be changed, only deleted.")
        if row.etag is None and row.sent_etag is None and body is None:
            cloud.store.remove(uid)
            return
        cloud.store.put(replace(row, body=body, at=cloud.now * 1000))


def import_file(cloud: Cloud, path: Path) -> tuple[dict[str, int], list[str]]:
    """Import a `.vcf`, `.md` or `.xml` file, a photo, or a folder of these.

    Returns the number of new records of each type, and a sentence for each file that failed.
    """
    added = Counter[str]()
    failures: list[str] = []
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not each.is_file():
            continue
        try:
            data = each.read_bytes()
            kind, count = _import_one(cloud, each, data)
        except (RecordError, OSError) as error:
            failures.append(f"{each.name}: {error}")
        else:
            added[kind] += count
    return added, failures


def plant(cloud: Cloud, persona: Persona) -> dict[str, int]:
    """Add a planted owner's records; returns the number of new records of each type."""
    cards = [
        contacts.make_card(each, _short(f"{each.name} {each.number}")) for each in persona.contacts
    ]
    bodies = [messages.make_message(each) for each in persona.messages]
    pictures = [(each.name, photos.make_jpeg(each)) for each in persona.photos]
    return {
        "contact": sum(add_contact(cloud, card) for card in cards),
        "note": sum(add_note(cloud, each.title, each.text) for each in persona.notes),
        "message": sum(add_message(cloud, body) for body in bodies),
        "photo": sum(add_photo(cloud, name, data) for name, data in pictures),
    }


def _import_one(cloud: Cloud, path: Path, data: bytes) -> tuple[str, int]:
    suffix = path.suffix.lower()
    if suffix == ".vcf":
        return "contact", sum(add_contact(cloud, card) for card in contacts.split_cards(data))
    if suffix == ".xml":
        return "message", sum(add_message(cloud, x) for x in messages.split_messages(data))
    if suffix in {".md", ".txt"}:
        return "note", int(add_note(cloud, path.stem, data.decode("utf-8", "replace")))
    return "photo", int(add_photo(cloud, path.name, data))


def _add(cloud: Cloud, kind: str, body: bytes, at: int, *, identity: bytes = b"") -> bool:
    with cloud.store.transaction():
        # A uid that depends on the account's key is random before a login, so that the same record
        # may exist under another uid.
        uid = _name(cloud, kind, identity) if identity else new_uid(cloud)
        if cloud.store.find(uid) is not None or cloud.store.has_body(kind, body):
            return False
        cloud.store.put(Row(uid, kind, None, body, at=at))
        return True


def _name(cloud: Cloud, kind: str, identity: bytes) -> str:
    """Return a uid derived from content and account key; random if the phone is not logged in."""
    key = cloud.store.get("account")[:32]
    if not key:
        return new_uid(cloud)
    secret = hkdf(key, _UID_INFO[kind])
    return encode_uid(hashlib.blake2b(identity, digest_size=UID, key=secret).digest())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
