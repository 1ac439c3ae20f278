"""Openers of requests about records and photos: yield the parts, decrypted with owner's keys."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from client_sim.lab.cloud.decryption import (
    META_STEP,
    TAG,
    decode_uid,
    derive_age,
    derive_item,
    encode_uid,
    find_padded,
    find_padme,
    find_public,
    hash_keyed,
    hkdf,
    open_age,
    read_age_secret,
    unpad,
)
from client_sim.lab.cloud.double import msgpack
from client_sim.lab.cloud.keyring import (
    Keyring,
    Part,
    account_of,
    check_members,
    equal,
    fresh,
    open_sealed,
    open_type,
    take_collection,
)
from client_sim.lab.cloud.requests import Request

_META: Final = frozenset({"name", "mtime", "pad"})


def list_multi(ring: Keyring, request: Request, on: frozenset[str]) -> Iterator[Part]:
    """Open a request for collections of some types."""
    body = msgpack.decode(request.body)
    yield from check_members(body, "collectionTypes", "list")
    for each in body["collectionTypes"]:
        yield open_type(ring, each, on)


def make_collection(ring: Keyring, request: Request, on: frozenset[str]) -> Iterator[Part]:
    """Open a request for a new collection."""
    body = msgpack.decode(request.body)
    yield from check_members(body, "item collectionKey collectionType", "collection")
    uid, kind = body["item"]["uid"], body["collectionType"]
    yield open_type(ring, kind, on)
    yield from take_collection(ring, uid, body["collectionKey"], kind, is_new=True)
    yield from _open_item(ring, uid, body["item"], "collection")


def transaction(ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    """Open an upload of records."""
    body = msgpack.decode(request.body)
    yield from check_members(body, "items", "transaction")
    collection = request.path.split("/")[4]
    for item in body["items"]:
        yield from _open_item(ring, collection, item, ring.collections[collection][0])


def _open_item(ring: Keyring, collection: str, item: dict[str, Any], kind: str) -> Iterator[Part]:
    optional = set(item) & {"etag"}
    yield from check_members(item, " ".join(("uid version content", *optional)), "item")
    yield from check_members(item["content"], "uid meta chunks deleted", "content")
    content, uid = item["content"], item["uid"]
    cipher, mac = derive_item(ring.collections[collection][1][0], uid)
    ring.add_secret("item cipher", cipher)
    chunks = [(name, body) for name, body in content["chunks"]]
    pieces = hashlib.blake2b(b"".join(decode_uid(n) for n, _ in chunks), digest_size=32).digest()
    name = uid.encode()
    bound = bytes([content["deleted"]]) + len(name).to_bytes(4, "little") + name + pieces
    whole = content["meta"] + decode_uid(content["uid"])
    place = hash_keyed(mac, bound)
    meta = open_sealed(ring, "meta", whole, cipher, "a record's description", place)
    yield meta
    yield equal("uid of the revision", decode_uid(content["uid"]), whole[-TAG:], "its tag")
    ring.etags.add(content["uid"])
    if "etag" in item and item["etag"] not in ring.etags:
        yield Part("etag", str(item["etag"]).encode(), "", problem="not an existing revision")
    if meta.plaintext:
        yield from _open_meta(ring, meta.plaintext, kind)
    bodies = []
    for chunk, data in chunks:
        part = open_sealed(ring, "chunk", data, cipher, "a record's content")
        yield part
        if part.plaintext:
            plain = unpad(part.plaintext)
            bodies.append(plain)
            padded = find_padded(len(plain))
            yield equal("length of the chunk", len(part.plaintext), padded, "padded")
            expected = encode_uid(hash_keyed(mac, plain))
            yield equal("uid of the chunk", chunk, expected, "keyed hash of its content")
    text = b"".join(bodies[:1]) if len(bodies) < 2 else b"".join(bodies[:-1])
    yield _check_uid(ring, uid, kind, text, deleted=content["deleted"])
    ring.contents.append((kind, text))
    if text and not text.startswith(_FORMS.get(kind, b"")):
        yield Part("content", text, "", problem=f"it is not a {kind}")
    if kind == "keys" and text:
        written = json.loads(text)["age"]
        secret = read_age_secret(written)
        ring.identities[find_public(secret)] = secret
        ring.add_secret("photo key", secret)
        ring.add_secret("photo key as text", written.encode())
        fresh(ring, "photo key", secret, "random")


_FORMS: Final = {"contact": b"BEGIN:VCARD", "message": b"<", "photo": b"{"}


def _open_meta(ring: Keyring, data: bytes, kind: str) -> Iterator[Part]:
    meta = msgpack.decode(unpad(data))
    if len(data) % META_STEP or any(meta.get("pad", b"1")):
        yield Part("meta", data, "", problem=f"it is not padded to {META_STEP} bytes")
    if set(meta) - _META:
        yield Part("meta", data, "", problem=f"it contains {sorted(set(meta) - _META)}")
    ring.contents.append((kind, str(meta.get("name", "")).encode()))


def _check_uid(ring: Keyring, uid: str, kind: str, text: bytes, *, deleted: bool) -> Part:
    """Check that a record's uid is random, or the account's own hash of its content."""
    meaning = "random"
    data = decode_uid(uid)
    if kind in {"message", "photo"}:
        meaning = "the account's keyed hash of the content"
        same = text if kind == "message" else json.loads(text or b"{}").get("sha256", "").encode()
        info = "hening message 1" if kind == "message" else "hening photo record 1"
        secret = hkdf(account_of(ring).key, info)
        expected = hash_keyed(secret, same, 24)
        is_known = deleted or data == expected or data in ring.drawn
        # After a rotation the records keep the uids that were derived from the previous key.
        former = [v for k, v in ring.secrets.items() if k.startswith(f"key of {info}")]
        is_known |= any(hash_keyed(key, same, 24) == data for key in former)
    elif kind == "devices":
        meaning = "hash of the device's key"
        is_known = data in {hashlib.blake2b(key, digest_size=24).digest() for key in ring.devices}
    else:
        is_known = data in ring.drawn
    problem = "" if is_known else "neither random nor the account's own hash"
    return Part("uid", data, meaning, problem=problem)


def new_token(_ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    """Open the request for a token for photos."""
    yield equal("body", json.loads(request.body), {"door": "blobs"}, "a token for photos")


def piece_of_photo(ring: Keyring, request: Request, on: frozenset[str]) -> Iterator[Part]:
    """Open an upload of a piece of a photo."""
    file, name = request.body, request.path.rpartition("/")[2]
    if "photo" not in on:
        yield Part("path", request.path.encode(), "", problem="photos are off")
    yield equal("name", name, hashlib.sha256(file).hexdigest(), "hash of the ciphertext")
    for recipient, secret in ring.identities.items():
        try:
            plain, drawn = open_age(file, secret)
        except ValueError:
            continue
        expected = derive_age(account_of(ring).key, recipient, plain)
        yield equal("file", drawn, expected, "the account's one ciphertext of this piece")
        yield equal("length", len(plain), find_padme(len(plain)), "padded by Padmé")
        ring.contents.append(("photo", plain))
        yield Part("piece", file, "a piece of a photo, an age file", plain)
        return
    yield Part("piece", file, "", problem="none of the owner's keys decrypts it")
