"""Upload, download and remove photos' pieces.

A piece is named by the hash of its ciphertext, which is the same each time. The phone uploads only
pieces that the server lacks. So an interrupted upload repeats at most one piece.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from client_sim.cloud import age, wire
from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import DeceivedError, StoreError
from client_sim.cloud.keys import hkdf
from client_sim.cloud.kinds import decode_inner, encode_inner
from client_sim.cloud.photos import (
    PIECE,
    Photo,
    Piece,
    cut_photo,
    decode_photo,
    encode_photo,
    encrypt_piece,
    open_piece,
)
from client_sim.cloud.pull import Report, pull
from client_sim.cloud.push import new_uid, push
from client_sim.cloud.service import Service
from client_sim.cloud.store import Row

VAULT: Final = "photos"
_LIST: Final = "application/vnd.x.restic.rest.v2"
_DEDUP: Final = "hening photo 1"
_FORMER: Final = "former-pieces"
_BATCH: Final = 16


def original_path(cloud: Cloud, photo: Photo) -> Path:
    """Return the path of a photo's original on the phone."""
    return cloud.store.folder / "photos" / photo.sha256


def store_original(cloud: Cloud, photo: Photo, data: bytes) -> None:
    """Store an original durably; raises StoreError if writing fails."""
    path = original_path(cloud, photo)
    part = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StoreError(f"A photo cannot be stored on the phone: {error}.") from error


def make_photo_key(cloud: Cloud) -> None:
    """Create an age key for photos; the next synchronisation uploads it, encrypted."""
    body = encode_inner({"age": age.Identity(cloud.entropy(32)).encode()})
    newest = max((row.at for row in cloud.store.live("keys")), default=0)
    at = max(cloud.now * 1000, newest + 1)  # keys are ordered by their times
    cloud.store.put(Row(new_uid(cloud), "keys", None, body, at=at))


def find_identities(cloud: Cloud) -> list[age.Identity]:
    """Return the account's age keys, the one for new photos first."""
    rows = sorted(cloud.store.live("keys"), key=lambda row: (-row.at, row.uid))
    return [age.Identity.decode(str(decode_inner(row.body or b"").get("age"))) for row in rows]


def upload_pieces(cloud: Cloud, service: Service, report: Report) -> None:
    """Upload the pieces of photos whose records list none yet, newest photos first."""
    rows = [row for row in cloud.store.changed("photo") if row.body is not None]
    pending = [(row, decode_photo(row.body or b"")) for row in rows]
    pending = [(row, photo) for row, photo in pending if not photo.pieces]
    if not pending:
        return
    pull(cloud, service, "keys", report)
    if not find_identities(cloud):
        make_photo_key(cloud)
    push(cloud, service, "keys", report)
    identity, secret = find_identities(cloud)[0], hkdf(cloud.keys.key, _DEDUP)
    existing = _list_pieces(cloud, service)
    uploads = _Uploads(cloud, service)
    total, done = sum(photo.length for _, photo in pending), 0
    for row, photo in pending:
        try:
            data = original_path(cloud, photo).read_bytes()
        except OSError as error:
            report.failures.append(f"{photo.name} cannot be read on the phone: {error}.")
            continue
        pieces = []
        for length, piece in cut_photo(data):
            name, file = encrypt_piece(piece, identity.recipient, secret)
            if name not in existing:
                uploads.send(name, file)
                existing.add(name)
            pieces.append(Piece(name, length))
            done += length
            report.progress(done, total)
        sealed = msgspec.structs.replace(photo, pieces=pieces, key=identity.recipient_text)
        uploads.complete.append((row, sealed))
    uploads.end()


class _Uploads:
    """A pipeline of uploads: a piece is encrypted while the server stores the preceding one.

    `complete` are the photos whose pieces have all been sent. Once the server has confirmed them,
    photos are recorded in batches, as each transaction waits for the disk. If a crash loses a
    batch, the phone learns from the server's list which pieces exist.
    """

    def __init__(self, cloud: Cloud, service: Service) -> None:
        self._cloud = cloud
        self._service = service
        self._is_under_way = False
        self._stored: list[tuple[Row, Photo]] = []
        self.complete: list[tuple[Row, Photo]] = []

    def send(self, name: str, file: bytes) -> None:
        """Wait for the response to the preceding piece, and send another; raises CloudError."""
        self._finish()
        self._service.begin_blob("POST", f"{VAULT}/data/{name}", file)
        self._is_under_way = True
        if len(self._stored) >= _BATCH:
            self._record()

    def end(self) -> None:
        """Wait for the last response, and record the photos; raises CloudError."""
        self._finish()
        self._record()

    def _finish(self) -> None:
        if self._is_under_way:
            self._is_under_way = False
            self._service.finish_blob()
        self._stored += self.complete
        self.complete.clear()

    def _record(self) -> None:
        store = self._cloud.store
        with store.transaction():
            for row, photo in self._stored:
                if store.find(row.uid) == row:  # else the owner has changed it meanwhile
                    store.put(replace(row, body=encode_photo(photo)))
        self._stored.clear()


def download_originals(cloud: Cloud, service: Service, report: Report) -> None:
    """Download the originals that this phone lacks, and verify each before storing it."""
    missing = []
    for row in cloud.store.live("photo"):
        photo = decode_photo(row.body or b"")
        if photo.pieces and not original_path(cloud, photo).is_file():
            missing.append(photo)
    if not missing:
        return
    pull(cloud, service, "keys", report)
    _find_program(cloud, service)
    identities = {each.recipient_text: each for each in find_identities(cloud)}
    total, done = sum(photo.length for photo in missing), 0
    for photo in missing:
        if photo.key not in identities:
            report.failures.append(f"The key of {photo.name} has not arrived yet.")
            continue
        parts = []
        for piece in photo.pieces:
            file = service.blob("GET", f"{VAULT}/data/{piece.name}")
            if file is None:
                break
            parts.append(open_piece(piece, file, identities[photo.key]))
            done += piece.length
            report.progress(done, total)
        data = b"".join(parts)
        if len(parts) < len(photo.pieces):
            report.failures.append(f"The server has lost a piece of {photo.name}.")
        elif len(data) != photo.length or hashlib.sha256(data).hexdigest() != photo.sha256:
            raise DeceivedError(f"The pieces of {photo.name} are not the ones that were uploaded.")
        else:
            store_original(cloud, photo, data)


def find_removed(cloud: Cloud) -> set[str]:
    """Return the names of pieces that only photos deleted on this phone use."""
    deleted = [row.base for row in cloud.store.changed("photo") if row.body is None and row.base]
    remaining = [row.body for row in cloud.store.live("photo")]
    return _name_pieces(deleted) - _name_pieces(body for body in remaining if body)


def renew_pieces(cloud: Cloud) -> int:
    """Mark photos whose originals are here for encryption with a new key; returns their number.

    The next synchronisation uploads them, and then removes their former pieces.
    """
    count, former = 0, set(cloud.store.get(_FORMER).decode().split())
    with cloud.store.transaction():
        make_photo_key(cloud)
        for row in cloud.store.live("photo"):
            photo = decode_photo(row.body or b"")
            if photo.pieces and original_path(cloud, photo).is_file():
                former |= {piece.name for piece in photo.pieces}
                renewed = msgspec.structs.replace(photo, pieces=[], key="")
                cloud.store.put(replace(row, body=encode_photo(renewed)))
                count += 1
        cloud.store.set(_FORMER, "\n".join(sorted(former)).encode())
    return count


def remove_former(cloud: Cloud, service: Service) -> None:
    """Remove the former pieces of re-encrypted photos, once every photo has pieces again."""
    former = set(cloud.store.get(_FORMER).decode().split())
    photos = [decode_photo(row.body or b"") for row in cloud.store.live("photo")]
    if former and all(photo.pieces for photo in photos):
        used = {piece.name for photo in photos for piece in photo.pieces}
        remove_pieces(cloud, service, former - used)
        cloud.store.unset(_FORMER)


def remove_pieces(cloud: Cloud, service: Service, names: Iterable[str]) -> None:
    """Remove pieces from the server; no photo's record may use them any more."""
    for name in sorted(names):
        _find_program(cloud, service)
        service.blob("DELETE", f"{VAULT}/data/{name}")


def _name_pieces(bodies: Iterable[bytes]) -> set[str]:
    return {piece.name for body in bodies for piece in decode_photo(body).pieces}


def _list_pieces(cloud: Cloud, service: Service) -> set[str]:
    """Return the names of all pieces on the server; creates the vault if it does not exist."""
    _find_program(cloud, service)
    found = service.blob("GET", f"{VAULT}/data/", accept=_LIST)
    if found is None:
        service.blob("POST", f"{VAULT}/?create=true", b"")
        return set()
    listed: list[wire.Listed] = wire.decode(found, list[wire.Listed], is_json=True)
    return {each.name for each in listed if each.size <= 2 * PIECE}


def _find_program(cloud: Cloud, service: Service) -> None:
    """Authenticate with a program token for the blobs door, which is created at the first use."""
    if service.program is not None:
        return
    token = cloud.store.get("program").decode()
    if not token:
        created = service.account("POST", "app-tokens", wire.NewToken, {"door": "blobs"})
        token = created.token
        cloud.store.set("program", token.encode())
    service.program = (cloud.name, token)
