"""Export the data, erase the account, or move it to another region.

An export is one ZIP of files that other programs can read: contacts.vcf, notes/*.md, messages.xml,
photos/ with originals and their times, receipts/, and manifest.json with the sha256 of each. The
same records give the same bytes. Nothing in it is encrypted.
"""

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from client_sim.cloud import contacts, messages, notes, photos, wire
from client_sim.cloud import policy as policies
from client_sim.cloud.account import (
    Cloud,
    Region,
    agree,
    fetch_policy,
    find_receipt_key,
    sign_up,
)
from client_sim.cloud.errors import CloudError, DeceivedError, StoreError
from client_sim.cloud.kinds import KINDS, decode_inner, encode_inner
from client_sim.cloud.photos import decode_photo, encode_photo
from client_sim.cloud.pieces import original_path
from client_sim.cloud.pull import Report
from client_sim.cloud.records import decode_item
from client_sim.cloud.recovery import confirm_words, load_words, make_words
from client_sim.cloud.service import Service
from client_sim.cloud.store import FOLDER, Row
from client_sim.cloud.sync import synchronise

_ERASURE: Final = "erasure"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_UNSAFE: Final = re.compile(r"[^\w .()-]+")
Time = tuple[int, int, int, int, int, int]


def erase(cloud: Cloud) -> wire.Erasure:
    """Turn all types off and request the erasure of the account; the phone keeps its records.

    `finish_erasure` checks the server's receipt.
    """
    policy = cloud.policy()
    with cloud.store.transaction():
        cloud.store.unset("on")
    with cloud.connect() as service:
        key = find_receipt_key(cloud, service, policy)
        found: wire.Erasure = service.account("POST", "erasure", wire.Erasure)
    request = {
        "id": found.id,
        "at": cloud.now,
        "region": policy.terms.region,
        "policy": policy.note.decode(),
        "key": key,
        "account": cloud.store.get("principal").decode(),
    }
    with cloud.store.transaction():
        cloud.store.set(_ERASURE, encode_inner(request))
        cloud.forget_login()
        cloud.store.unset("consent", "principal", "name", "region")
        cloud.store.forget_server()
    return found


def finish_erasure(cloud: Cloud) -> dict[str, Any] | None:
    """Fetch and check the receipt of an erasure; None if the erasure is not done yet.

    Raises DeceivedError if it is not done by the policy's deadline, CloudError if the phone has
    not requested an erasure.
    """
    stored = cloud.store.get(_ERASURE)
    if not stored:
        raise CloudError("No erasure was requested on this phone.")
    request = decode_inner(stored)
    region = cloud.find_region(request["region"])
    policy = policies.open_policy(request["policy"].encode(), region.policy_key, region.name)
    with cloud.connect(region=region) as service:
        found = service.erasure(request["id"])
    if found.receipt is None:
        hours = policy.terms.hours.erase
        if cloud.now > request["at"] + hours * 3600:
            raise DeceivedError(
                f"The erasure is not done {hours} hours after your request, as the policy requires:"
                f" write to {policy.terms.controller.contact}."
            )
        return None
    note = found.receipt.encode()
    receipt = policies.check_erasure_receipt(
        note, request["key"], policy, request["id"], request["account"], request["at"]
    )
    with cloud.store.transaction():
        cloud.store.add_receipt("erasure", note)
        cloud.store.unset(_ERASURE)
    return receipt


def move(
    cloud: Cloud,
    region: Region,
    name: str,
    password: str,
    *,
    locale: str,
    at_least: int,
    guardian: bool,
    sha256: str,
) -> Report:
    """Move to another region: sign up there, send all records, read them back, then erase here.

    `sha256` is that of the policy that the owner has read. The recovery words stay the same.
    Returns the report of the upload. After a crash before the erasure, both accounts exist and the
    phone uses the old one. A new attempt needs another name; it removes the new account's folder.
    """
    if region.name == cloud.store.get("region").decode():
        raise CloudError(f"The account is in {region.name} already.")
    kinds = cloud.enabled_types
    shutil.rmtree(cloud.store.folder.with_name(f"{FOLDER}-next"), ignore_errors=True)
    new_cloud = Cloud(
        cloud.phone,
        cloud.platform,
        cloud.regions,
        derive=cloud.derive,
        folder=f"{FOLDER}-next",
    )
    try:
        policy, _ = fetch_policy(new_cloud, region, locale)
        if policy.sha256 != sha256:
            raise CloudError("The policy has changed since you read it; read it again.")
        sign_up(new_cloud, region, name, password, "phone")
        agree(new_cloud, policy, locale, at_least=at_least, guardian=guardian)
        with cloud.connect() as service:
            words = load_words(cloud, service)
        confirm_words(new_cloud, make_words(new_cloud, words), password)
        report = _send_all(cloud, new_cloud, kinds)
        _verify_all(new_cloud, kinds)
    finally:
        cloud.sent += new_cloud.sent
        cloud.requests += new_cloud.requests
        new_cloud.store.close()
    erase(cloud)
    cloud.store.take_account(new_cloud.store.folder)
    shutil.rmtree(new_cloud.store.folder, ignore_errors=True)
    for kind in kinds:
        cloud.switch(kind, is_on=True)
    return report


def _send_all(cloud: Cloud, new_cloud: Cloud, kinds: tuple[str, ...]) -> Report:
    """Synchronise with the old region once more, and send a copy of all records to the new one."""
    if kinds:
        synchronise(cloud, Report())
    for kind in kinds:
        for row in cloud.store.live(kind):
            body = row.body or b""
            if kind == "photo":  # its pieces must be encrypted with the new account's key
                photo = msgspec.structs.replace(decode_photo(body), pieces=[], key="")
                body = encode_photo(photo)
            new_cloud.store.put(Row(row.uid, kind, None, body, at=row.at))
        new_cloud.switch(kind, is_on=True)
    originals = cloud.store.folder / "photos"
    if originals.is_dir():
        shutil.copytree(originals, new_cloud.store.folder / "photos", copy_function=os.link)
    report = Report()
    if kinds:
        synchronise(new_cloud, report)
    return report


def _verify_all(new_cloud: Cloud, kinds: tuple[str, ...]) -> None:
    """Read all records back from the new region; raises DeceivedError if they differ."""
    for kind in kinds:
        expected = {row.uid: row.body for row in new_cloud.store.live(kind)}
        found: dict[str, bytes] = {}
        with new_cloud.connect() as service:
            for collection in new_cloud.store.collections(kind):
                found |= _read_all(service, kind, collection.uid, collection.key_list)
        if found != expected:
            raise DeceivedError(
                f"The new region does not return all {kind}s; nothing was erased here."
            )


def _read_all(service: Service, kind: str, uid: str, keys: tuple[bytes, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for page in service.pages("GET", f"collection/{uid}/item/?limit=100", wire.ItemPage):
        for item in page.data:
            revision = decode_item(keys, item)
            if not revision.deleted:
                found[item.uid] = KINDS[kind].decode(revision)
    return found


def export(cloud: Cloud, path: Path) -> dict[str, int]:
    """Write the ZIP; returns the number of records of each type.

    Raises CloudError if the original of a photo is not on the phone, StoreError if writing fails.
    """
    counts = Counter[str]()
    manifest: dict[str, str] = {}
    part = path.with_name(f".{path.name}.new")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for kind, name, data, time in _list(cloud):
                manifest[name] = hashlib.sha256(data).hexdigest()
                counts[kind] += _count(kind, data)
                _write(archive, name, data, time)
            text = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
            _write(archive, "manifest.json", text.encode(), _EPOCH)
        part.replace(path)
    except OSError as error:
        raise StoreError(f"The export cannot be written: {error}.") from error
    return counts


def _list(cloud: Cloud) -> Iterator[tuple[str, str, bytes, Time]]:
    """Yield the type, name, content and time of each entry, in the ZIP's order."""
    store = cloud.store
    cards = sorted(row.body or b"" for row in store.live("contact"))
    if cards:
        yield "contact", "contacts.vcf", b"".join(map(_end_with_newline, cards)), _EPOCH
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
    """Return an entry name that is not in `names`, and add it there."""
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


def _end_with_newline(card: bytes) -> bytes:
    return card if card.endswith(b"\n") else card + b"\r\n"


def _read_time(taken: str) -> Time:
    """Return the time at which a photo was taken, or `_EPOCH` if a ZIP cannot hold it."""
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
