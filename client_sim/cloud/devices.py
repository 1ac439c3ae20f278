"""The owner's devices: list, approve and revoke them, and rotate the keys after a loss."""

import hashlib
from dataclasses import dataclass
from typing import Any

from client_sim.cloud import wire
from client_sim.cloud.account import Cloud, fetch_challenge, read_label, sign_response
from client_sim.cloud.errors import CloudError, RefusedError
from client_sim.cloud.keys import login_key, main_cipher, make_account_keys
from client_sim.cloud.kinds import COLLECTIONS
from client_sim.cloud.records import open_collection, wrap_collection
from client_sim.cloud.recovery import load_words, seal_words
from client_sim.cloud.service import Service


@dataclass(frozen=True, slots=True)
class Device:
    """A logged-in device; `digits` identify it while it waits for approval."""

    id: str
    label: str
    is_this: bool
    is_waiting: bool
    created_at: int
    digits: str


def find_digits(session: str, key: bytes) -> str:
    """Return the six digits that both the waiting and the approving phone show."""
    text = b"hening cloud digits 1\n" + session.encode() + b"\n" + key
    number = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    return f"{number % 1_000_000:06}"


def show_digits(cloud: Cloud) -> str:
    """Return this phone's digits; nothing is sent."""
    session = cloud.store.get("session").decode()
    return find_digits(session, bytes(cloud.device_key.verify_key))


def list_devices(cloud: Cloud) -> list[Device]:
    """Fetch the list of logged-in devices."""
    account = cloud.keys
    with cloud.connect() as service:
        found = service.account("GET", "sessions", list[wire.Session])
    return [
        Device(
            each.id,
            read_label(account, each.label),
            each.is_this,
            each.state != "approved",
            each.created_at,
            "" if each.key is None else find_digits(each.id, each.key),
        )
        for each in found
    ]


def approve(cloud: Cloud, digits: str) -> str:
    """Approve the waiting device that shows `digits`; returns its label."""
    account, key = cloud.keys, cloud.device_key
    with cloud.connect() as service:
        for each in service.account("GET", "sessions", list[wire.Session]):
            if each.state == "approved" or each.key is None:
                continue
            if find_digits(each.id, each.key) != digits.replace(" ", ""):
                continue
            text = f"hening cloud approval 1\n{cloud.region.name}\n{each.id}\n".encode()
            signature = key.sign(text + each.key).signature
            body = {"signature": signature}
            service.account("POST", f"sessions/{each.id}/approval", None, body)
            return read_label(account, each.label)
    raise CloudError("No waiting phone shows these digits; nothing was approved.")


def revoke(cloud: Cloud, number: str) -> None:
    """Log out a device: its next request is refused."""
    with cloud.connect() as service:
        service.account("DELETE", f"sessions/{number}")


def set_approving(cloud: Cloud, *, is_on: bool) -> None:
    """Turn approval of new devices on or off."""
    with cloud.connect() as service:
        service.account("PUT", "choices", None, {"approves_devices": is_on})


def rotate(cloud: Cloud, password: str) -> int:
    """Replace the account's and collections' keys after a loss; returns the number of collections.

    1. The server stores all wrapped keys in one transaction and ends all other sessions.
    2. The phone stores the new keys and marks all records to be sent again.

    After a crash between the two, the phone is logged in with outdated keys and has to log in
    again. Each collection's former key is stored after its new one, and decrypts the records that
    were not sent again yet. Items of old clients with their own key keep it, wrapped with the
    former key.
    """
    new_account = make_account_keys(cloud.entropy)
    with cloud.connect() as service:
        wraps, rotated = [], []
        for uid, kind, keys in _list_all(cloud, service):
            # Keep the former key until all records are encrypted with the new one. Collections of
            # other programs keep their key, since the phone does not rewrite their records.
            own = (cloud.entropy(32), keys[0]) if kind in COLLECTIONS else keys
            sealed = new_account.type_of(kind)
            wraps.append(
                {
                    "uid": uid,
                    "key": wrap_collection(new_account, sealed, own, cloud.entropy),
                    "type": sealed,
                    "members": [],
                }
            )
            if kind in COLLECTIONS:
                rotated.append((uid, COLLECTIONS[kind], b"".join(own)))
        try:
            words = seal_words(new_account, load_words(cloud, service), cloud.entropy)
        except RefusedError as refusal:
            if refusal.status != 404:
                raise
            words = None
        main, challenge = fetch_challenge(cloud, service, password)
        more: dict[str, Any] = {} if words is None else {"recovery": words}
        body = sign_response(
            login_key(main),
            cloud.name,
            service,
            "rotate",
            challenge,
            wrap=new_account.wrap(main_cipher(main), cloud.entropy),
            public_key=new_account.public_key,
            collections=wraps,
            **more,
        )
        service.account("POST", "rotate", None, body)
    with cloud.store.transaction():
        cloud.store.set("account", new_account.key + new_account.identity)
        for uid, kind, both in rotated:
            cloud.store.put_collection(uid, kind, both)
        cloud.store.mark_unsent()
    return len(rotated)


def _list_all(cloud: Cloud, service: Service) -> list[tuple[str, str, tuple[bytes, ...]]]:
    """Fetch the uid, type name and keys of every collection of the account."""
    account, found = cloud.keys, []
    for page in service.pages("GET", "collection/?limit=50", wire.CollectionPage):
        for each in page.data:
            kind = account.open_type(each.collectionType)
            keys = open_collection(account, each.collectionType, each)
            found.append((each.item.uid, kind, keys))
    return found
