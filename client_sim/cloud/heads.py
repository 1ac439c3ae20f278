"""What the owner's devices say to each other about the server.

Each device keeps one record in `hening.devices`: a number that only grows, and the revisions that
it wrote last, signed by its key. Another device that reads it notices when the server withholds one
of them, or gives an older list.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from client_sim.cloud import wire
from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import DeceivedError, RefusedError
from client_sim.cloud.kinds import KINDS, decode_inner, encode_inner
from client_sim.cloud.pull import Report
from client_sim.cloud.records import UID, encode_uid
from client_sim.cloud.service import Service
from client_sim.cloud.store import Row

MOST: Final = 200
"""Revisions of a list; a device that wrote more since the other one looked lists the last ones."""
_TITLE: Final = b"hening cloud head 1\n"
_DAY: Final = 86_400


def write_head(cloud: Cloud, written: Sequence[Row]) -> None:
    """Put what was written into this device's list, to be sent with the same synchronising."""
    key = cloud.device_key
    public = bytes(key.verify_key)
    uid = encode_uid(hashlib.blake2b(public, digest_size=UID).digest())
    row = cloud.store.find(uid) or Row(uid, "devices", None, None)
    said = decode_inner(row.body) if row.body else {}
    entries = {each[1]: each for each in said.get("seen", [])}
    for each in written:
        if each.etag is not None:
            entries.pop(each.uid, None)
            entries[each.uid] = [each.type, each.uid, each.etag, cloud.now]
    head: dict[str, Any] = {
        "key": base64.b64encode(public).decode(),
        "number": max(int(said.get("number", 0)), cloud.store.head(public)) + 1,
        "seen": list(entries.values())[-MOST:],
    }
    signature = key.sign(_TITLE + encode_inner(head)).signature
    head["signature"] = base64.b64encode(signature).decode()
    with cloud.store.transaction():
        cloud.store.put(replace(row, body=encode_inner(head), at=cloud.now * 1000))
        cloud.store.set_head(public, head["number"])


def check_heads(cloud: Cloud, service: Service, report: Report) -> None:
    """Compare the other devices' lists with what the server gave; raises DeceivedError."""
    own = bytes(cloud.device_key.verify_key)
    for row in cloud.store.live("devices"):
        head = decode_inner(row.body or b"")
        key = _verify(head, row)
        number = int(head["number"])
        if number < cloud.store.head(key):
            raise DeceivedError("The server gave an older list of what one of your phones wrote.")
        if key != own and number > cloud.store.head(key):
            kept = (cloud.policy().terms.days.revisions - 1) * _DAY
            missing = [
                entry for entry in head["seen"] if not _is_known(cloud, service, entry, kept)
            ]
            if missing:
                report.warnings.append(
                    f"Another of your phones wrote {len(missing)} record(s) that the server does"
                    f" not show here, the first of them a {missing[0][0]}: it withholds them, or"
                    " was restored from an older backup."
                )
                continue
        cloud.store.set_head(key, number)


def _verify(head: dict[str, Any], row: Row) -> bytes:
    """Return the key of a list after its signature was verified; raises DeceivedError."""
    try:
        key = base64.b64decode(head["key"], validate=True)
        signature = base64.b64decode(head["signature"], validate=True)
        signed = {name: value for name, value in head.items() if name != "signature"}
        VerifyKey(key).verify(_TITLE + encode_inner(signed), signature)
        is_whole = isinstance(head["number"], int) and all(
            isinstance(each, list) and len(each) == 4 for each in head["seen"]
        )
    except (BadSignatureError, ValueError, TypeError, LookupError):
        is_whole = False
    if not is_whole or encode_uid(hashlib.blake2b(key, digest_size=UID).digest()) != row.uid:
        raise DeceivedError("A list of what one of your phones wrote is not signed by it.")
    return key


def _is_known(cloud: Cloud, service: Service, entry: list[Any], kept: int) -> bool:
    """Answer whether this phone has seen a revision, or the server still shows it.

    Those that are older than `kept` seconds need not be shown any more.
    """
    kind, uid, etag, at = entry
    if kind not in cloud.on or kind not in KINDS or cloud.now - at > kept:
        return True
    row = cloud.store.find(uid)
    if row is None or row.collection is None:
        return False
    if etag in {row.etag, row.sent_etag} or cloud.store.is_former(uid, etag):
        return True
    path = f"collection/{row.collection}/item/{uid}/revision/?limit=100&prefetch=medium"
    try:
        page = service.records("GET", path, wire.RevisionPage)
    except RefusedError:
        return False
    with cloud.store.transaction():
        for each in page.data:
            if each.uid != row.etag:
                cloud.store.add_former(uid, each.uid)
    return any(each.uid == etag for each in page.data)
