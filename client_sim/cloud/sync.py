"""Synchronise contacts, notes, messages, then photos, over one connection.

A synchronisation runs when the owner requests it, or at a random time drawn in advance. Neither an
edit nor a poll for updates changes that time.

Each device keeps one record in `hening.devices`, its *head*: an increasing number and the revisions
that it wrote last, signed with its key. From the head, other devices can tell whether the server
withholds one of these revisions or gives an older head.
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
from client_sim.cloud.errors import DeceivedError, OffError, RefusedError
from client_sim.cloud.kinds import KINDS, decode_inner, encode_inner
from client_sim.cloud.pieces import (
    download_originals,
    find_removed,
    remove_former,
    remove_pieces,
    upload_pieces,
)
from client_sim.cloud.pull import Report, pull
from client_sim.cloud.push import push
from client_sim.cloud.records import META_STEP, UID, encode_uid, find_padded
from client_sim.cloud.service import Service
from client_sim.cloud.store import Row

MIN_INTERVAL: Final = 4 * 3600
MAX_INTERVAL: Final = 8 * 3600
_UPLOADS_REFUSED: Final = {"consent_required", "quota_exceeded", "no_room", "region_closing"}
LISTED: Final = 200
"""Maximum number of revisions in a head; it lists the most recent ones."""
_TITLE: Final = b"hening cloud head 1\n"
_DAY: Final = 86_400


def synchronise(cloud: Cloud, report: Report, *, upload_missing: bool = False) -> None:
    """Synchronise all types that are on; raises OffError if none is, or another CloudError.

    With `upload_missing`, records that the server lost in a restore are uploaded again. If the
    server refuses uploads, downloads continue.
    """
    kinds = cloud.enabled_types
    if not kinds:
        raise OffError("No type is on, so nothing was sent; use `cloud on`.")
    guard = _Guard(cloud, kinds)
    draw_next(cloud)  # before anything is sent, so that a crash does not cause an earlier retry
    written: list[Row] = []
    is_stopped = False
    with cloud.connect(guard) as service:
        pull(cloud, service, "devices", report, upload_missing=upload_missing)
        for kind in kinds:
            guard.kinds = (kind,)
            report.say(f"{kind}s")
            pull(cloud, service, kind, report, upload_missing=upload_missing)
            if not is_stopped and cloud.store.changed(kind):
                try:
                    written += _send(cloud, service, kind, report)
                except RefusedError as refusal:
                    if refusal.code not in _UPLOADS_REFUSED:
                        raise
                    is_stopped = True
                    report.warnings.append(f"{refusal} Your changes stay on the phone.")
            if kind == "photo":
                download_originals(cloud, service, report)
        guard.kinds = kinds
        _check_heads(cloud, service, report)
        if written:
            _write_head(cloud, written)
            push(cloud, service, "devices", report)


def draw_next(cloud: Cloud) -> float:
    """Draw and store the next time to synchronise: uniformly, 4 to 8 hours from now."""
    part = int.from_bytes(cloud.entropy(8), "big") / 2**64
    due = cloud.platform.now() + MIN_INTERVAL + part * (MAX_INTERVAL - MIN_INTERVAL)
    cloud.store.set("due", f"{due:.0f}".encode())
    return due


def find_next(cloud: Cloud) -> int | None:
    """Return the next time to synchronise, or None if no type is on; nothing is sent."""
    stored = cloud.store.get("due")
    return int(stored) if stored and cloud.enabled_types else None


class _Guard:
    """A guard that raises OffError if all of `kinds` are off or the phone is logged out."""

    def __init__(self, cloud: Cloud, kinds: tuple[str, ...]) -> None:
        self._cloud = cloud
        self.kinds = kinds

    def __call__(self) -> None:
        on = self._cloud.store.get("on").decode().split()
        if not set(self.kinds) & set(on):
            raise OffError(f"The backup of {self.kinds[0]}s is off; nothing more of it was sent.")


def _send(cloud: Cloud, service: Service, kind: str, report: Report) -> list[Row]:
    need = sum(_measure(row) for row in cloud.store.changed(kind))
    usage = service.account("GET", "usage", wire.Usage)
    _check_usage(cloud, usage, need, report)
    removed: set[str] = set()
    if kind == "photo":
        removed = find_removed(cloud)
        upload_pieces(cloud, service, report)
    try:
        written = push(cloud, service, kind, report)
    except RefusedError as refusal:
        if refusal.code == "quota_exceeded" and usage.used + need <= usage.quota:
            report.warnings.append(
                f"The server says that your quota is exceeded, but counts only {usage.used} of"
                f" {usage.quota} bytes: ask its operator."
            )
        raise
    remove_pieces(cloud, service, removed)
    if kind == "photo":
        remove_former(cloud, service)
    return written


def _check_usage(cloud: Cloud, usage: wire.Usage, need: int, report: Report) -> None:
    """Warn if the changes will not fit, or if the server counts too few bytes."""
    if usage.quota and usage.used + need > usage.quota:
        report.warnings.append(
            f"{need} bytes are to be uploaded, but your quota leaves only"
            f" {max(0, usage.quota - usage.used)}: what does not fit stays on the phone."
        )
    rows = (row for kind in cloud.enabled_types for row in cloud.store.live(kind))
    known = sum(_measure(row) for row in rows if row.etag is not None)
    if usage.used < known // 2:
        report.warnings.append(
            f"The server counts {usage.used} bytes of {known} uploaded: it may have lost some."
        )


def _measure(row: Row) -> int:
    """Return the approximate size of a record on the server, in bytes."""
    return META_STEP + (find_padded(len(row.body)) if row.body else 0)


def _write_head(cloud: Cloud, written: Sequence[Row]) -> None:
    """Add the written revisions to this device's head, which is uploaded afterwards."""
    key = cloud.device_key
    public = bytes(key.verify_key)
    uid = encode_uid(hashlib.blake2b(public, digest_size=UID).digest())
    row = cloud.store.find(uid) or Row(uid, "devices", None, None)
    previous = decode_inner(row.body) if row.body else {}
    entries = {each[1]: each for each in previous.get("seen", [])}
    for each in written:
        if each.etag is not None:
            entries.pop(each.uid, None)
            entries[each.uid] = [each.type, each.uid, each.etag, cloud.now]
    head: dict[str, Any] = {
        "key": base64.b64encode(public).decode(),
        "number": max(int(previous.get("number", 0)), cloud.store.head(public)) + 1,
        "seen": list(entries.values())[-LISTED:],
    }
    signature = key.sign(_TITLE + encode_inner(head)).signature
    head["signature"] = base64.b64encode(signature).decode()
    with cloud.store.transaction():
        cloud.store.put(replace(row, body=encode_inner(head), at=cloud.now * 1000))
        cloud.store.set_head(public, head["number"])


def _check_heads(cloud: Cloud, service: Service, report: Report) -> None:
    """Compare the other devices' heads with the server's records; raises DeceivedError."""
    own = bytes(cloud.device_key.verify_key)
    for row in cloud.store.live("devices"):
        head = decode_inner(row.body or b"")
        key = _verify(head, row)
        number = int(head["number"])
        if number < cloud.store.head(key):
            raise DeceivedError("The server gave an older list of one of your phones' changes.")
        if key != own and number > cloud.store.head(key):
            retention = (cloud.policy().terms.days.revisions - 1) * _DAY
            missing = [
                entry for entry in head["seen"] if not _is_known(cloud, service, entry, retention)
            ]
            if missing:
                report.warnings.append(
                    f"Another of your phones wrote {len(missing)} record(s) that the server does"
                    f" not return, the first of them a {missing[0][0]}: the server withholds them,"
                    " or was restored from an older backup."
                )
                continue
        cloud.store.set_head(key, number)


def _verify(head: dict[str, Any], row: Row) -> bytes:
    """Verify a head's signature and return its key; raises DeceivedError."""
    try:
        key = base64.b64decode(head["key"], validate=True)
        signature = base64.b64decode(head["signature"], validate=True)
        signed = {name: value for name, value in head.items() if name != "signature"}
        VerifyKey(key).verify(_TITLE + encode_inner(signed), signature)
        is_valid = isinstance(head["number"], int) and all(
            isinstance(each, list) and len(each) == 4 for each in head["seen"]
        )
    except (BadSignatureError, ValueError, TypeError, LookupError):
        is_valid = False
    if not is_valid or encode_uid(hashlib.blake2b(key, digest_size=UID).digest()) != row.uid:
        raise DeceivedError("The list of one of your phones' changes is not signed by that phone.")
    return key


def _is_known(cloud: Cloud, service: Service, entry: list[Any], retention: int) -> bool:
    """Return whether this phone has seen a revision, or the server still returns it.

    Also True for revisions older than `retention` seconds, which the server may have removed.
    """
    kind, uid, etag, at = entry
    if kind not in cloud.enabled_types or kind not in KINDS or cloud.now - at > retention:
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
