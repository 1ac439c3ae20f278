"""The owner's account: sign up, log in and out, consent, and the types that are on.

Nothing here is sent without a command from the owner.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from nacl.signing import SigningKey

from client_sim.cloud import TYPES, wire
from client_sim.cloud import policy as policies
from client_sim.cloud.errors import CloudError, DeceivedError, OffError, RefusedError
from client_sim.cloud.keys import (
    SALT,
    AccountKeys,
    DeriveMain,
    derive_main,
    login_key,
    main_cipher,
    make_account_keys,
    seal,
    unseal,
    unwrap_account,
)
from client_sim.cloud.service import Service
from client_sim.cloud.store import FOLDER, Store
from client_sim.cloud.web import Connection, Guard, Platform, parse_origin

MIN_PASSWORD: Final = 12
"""Minimum characters of a password. A thief of the server's database and pepper can guess passwords
at the cost of one Argon2id each. The eight words that the phone proposes (88 bits) are much safer.
"""
_LABEL: Final = 64  # bytes to which a label is padded
_IMAGE: Final = "cloud.json"
_LOGIN_SETTINGS: Final = (
    "token",
    "account",
    "session",
    "program",
    "words",
    "on",
    "due",
    "salt",
    "login",
)


@dataclass(frozen=True, slots=True)
class Region:
    """A region in the phone's image: its origin, and the key that signs its policies."""

    name: str
    origin: str
    policy_key: str


def load_regions(phone: Path) -> dict[str, Region]:
    """Return the regions in the phone's image, by name; empty if the image has no cloud."""
    try:
        found = json.loads((phone / "image" / _IMAGE).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CloudError(f"The phone's image/{_IMAGE} cannot be read: {error}.") from error
    return {name: Region(name, each["origin"], each["policy_key"]) for name, each in found.items()}


def store_regions(phone: Path, regions: Mapping[str, Region]) -> None:
    """Write the list of regions into the phone's image, as the factory does."""
    found = {
        each.name: {"origin": each.origin, "policy_key": each.policy_key}
        for each in regions.values()
    }
    (phone / "image" / _IMAGE).write_bytes(policies.encode_canonical(found))


class Cloud:
    """One phone's cloud client: its store, network access, regions, and the owner's keys.

    `derive` derives the main key from a password. It is called only at logins and changes of keys.
    `sent` and `requests` count the bytes and requests that have left the phone.
    """

    def __init__(
        self,
        phone: Path,
        platform: Platform,
        regions: Mapping[str, Region],
        *,
        derive: DeriveMain = derive_main,
        folder: str = FOLDER,
    ) -> None:
        self.phone = phone
        self.platform = platform
        self.entropy = platform.entropy
        self.regions = regions
        self.derive = derive
        self.store = Store(phone, folder)
        self.sent = 0
        self.requests = 0

    @property
    def now(self) -> int:
        """The time in epoch seconds."""
        return int(self.platform.now())

    @property
    def region(self) -> Region:
        """The account's region; raises OffError if there is none."""
        return self.find_region(self.store.get("region").decode())

    @property
    def name(self) -> str:
        """The account's name."""
        return self.store.get("name").decode()

    @property
    def keys(self) -> AccountKeys:
        """The account's keys; raises OffError if the phone is not logged in."""
        stored = self.store.get("account")
        if len(stored) != 64:
            raise OffError("This phone is not logged in to a cloud, so nothing was sent.")
        return AccountKeys(stored[:32], stored[32:])

    @property
    def device_key(self) -> SigningKey:
        """This device's signing key, created at the first use and kept until a reset."""
        seed = self.store.get("device")
        if len(seed) != 32:
            seed = self.entropy(32)
            self.store.set("device", seed)
        return SigningKey(seed)

    @property
    def enabled_types(self) -> tuple[str, ...]:
        """The types that the owner has turned on."""
        enabled = self.store.get("on").decode().split()
        return tuple(kind for kind in TYPES if kind in enabled)

    def find_region(self, name: str) -> Region:
        """Return a region of the image; raises OffError if it is unknown."""
        if name not in self.regions:
            known = ", ".join(sorted(self.regions)) or "none"
            raise OffError(f"This phone knows no cloud region {name!r}; it knows: {known}.")
        return self.regions[name]

    @contextmanager
    def connect(
        self, guard: Guard | None = None, region: Region | None = None
    ) -> Iterator[Service]:
        """Yield a service that uses one connection, which opens at the first request.

        With `region`, requests go to that region without a token. `guard` can stop sending.
        """
        token = "" if region is not None else self.store.get("token").decode()
        origin = parse_origin((region or self.region).origin)
        with Connection(self.platform, origin, guard or _allow) as connection:
            try:
                yield Service(connection, token)
            finally:
                self.sent += connection.sent
                self.requests += connection.requests

    def switch(self, kind: str, *, is_on: bool) -> None:
        """Turn a type on or off; nothing is sent.

        To turn it on, the owner must have agreed to a policy and confirmed the recovery words.
        Raises OffError otherwise.
        """
        if is_on:
            self.keys  # noqa: B018 - raises OffError
            if not self.store.get("consent"):
                raise OffError("Read the region's policy and agree with `cloud consent` first.")
            if not self.store.get("words"):
                raise OffError("Set up recovery words with `cloud words` first.")
        with self.store.transaction():
            kinds = [each for each in self.enabled_types if each != kind] + (
                [kind] if is_on else []
            )
            self.store.set("on", " ".join(kinds).encode())

    def policy(self) -> policies.Policy:
        """Return the policy that the owner agreed to; raises OffError if there is none."""
        note = self.store.get("consent")
        if not note:
            raise OffError("You have not agreed to a policy; use `cloud consent`.")
        region = self.region
        return policies.open_policy(note, region.policy_key, region.name)

    def forget_login(self) -> None:
        """Forget token and keys, and turn all types off; records and receipts stay."""
        self.store.unset(*_LOGIN_SETTINGS)


def _allow() -> None:
    """Allow sending: the owner gave this command."""


def check_password(password: str) -> None:
    """Raise CloudError if a password is too short, or has too few different characters."""
    if len(password) < MIN_PASSWORD or len(set(password)) < MIN_PASSWORD // 2:
        raise CloudError(
            f"A password needs {MIN_PASSWORD} characters, not just a few repeated ones: use the"
            " words that the phone proposes."
        )


def sign_up(cloud: Cloud, region: Region, name: str, password: str, label: str) -> None:
    """Create an account and log in. Sends the name, a salt, public keys and the wrapped keys."""
    _check_free(cloud)
    check_password(password)
    salt, account = cloud.entropy(SALT), make_account_keys(cloud.entropy)
    main = cloud.derive(password.encode(), salt)
    body = {
        "user": {"username": name, "email": ""},
        "salt": salt,
        "loginPubkey": bytes(login_key(main).verify_key),
        "pubkey": account.public_key,
        "encryptedContent": account.wrap(main_cipher(main), cloud.entropy),
    }
    with cloud.connect(region=region) as service:
        found = service.records("POST", "authentication/signup/", wire.Login, body)
        _store_login(cloud, service, region, name, found, account, label, salt)


def log_in(cloud: Cloud, region: Region, name: str, password: str, label: str) -> bool:
    """Log in; returns whether this phone needs approval by another one."""
    _check_free(cloud)
    with cloud.connect(region=region) as service:
        request = {"username": name}
        challenge = service.records(
            "POST", "authentication/login_challenge/", wire.Challenge, request
        )
        main = _derive_checked(cloud, region, name, challenge, password)
        body = sign_response(
            login_key(main), name, service, "login", challenge.challenge, is_json=False
        )
        found = service.records("POST", "authentication/login/", wire.Login, body)
        if found.user.username != name:
            raise DeceivedError("The server logged you in to another account.")
        wrap = found.user.encryptedContent
        account = unwrap_account(main_cipher(main), wrap, found.user.pubkey)
        return _store_login(cloud, service, region, name, found, account, label, challenge.salt)


def sign_response(
    key: SigningKey,
    name: str,
    service: Service,
    action: str,
    challenge: bytes,
    *,
    is_json: bool = True,
    **more: object,
) -> dict[str, bytes]:
    """Return a signed response: name, host and `action`, bound to the server's challenge."""
    host = service.connection.host
    fields = {"username": name, "challenge": challenge, "host": host, "action": action, **more}
    codec = msgspec.json if is_json else msgspec.msgpack
    response = codec.encode(fields)
    return {"response": response, "signature": key.sign(response).signature}


def fetch_challenge(cloud: Cloud, service: Service, password: str) -> tuple[bytes, bytes]:
    """Fetch salt and challenge; return the password's main key and the challenge to sign."""
    request = {"username": cloud.name}
    challenge = service.records("POST", "authentication/login_challenge/", wire.Challenge, request)
    main = _derive_checked(cloud, cloud.region, cloud.name, challenge, password)
    return main, challenge.challenge


def change_password(cloud: Cloud, password: str, new: str) -> None:
    """Wrap the account's keys with a new password; other devices have to log in again."""
    check_password(new)
    account = cloud.keys
    with cloud.connect() as service:
        main, challenge = fetch_challenge(cloud, service, password)
        new_main = cloud.derive(new.encode(), cloud.store.get("salt"))
        body = sign_response(
            login_key(main),
            cloud.name,
            service,
            "changePassword",
            challenge,
            is_json=False,
            loginPubkey=bytes(login_key(new_main).verify_key),
            encryptedContent=account.wrap(main_cipher(new_main), cloud.entropy),
        )
        service.records("POST", "authentication/change_password/", None, body)


def log_out(cloud: Cloud) -> None:
    """End the session on the server, forget the keys, and turn all types off."""
    try:
        with cloud.connect() as service:
            service.records("POST", "authentication/logout/")
    except RefusedError as refusal:
        if refusal.status != 401:  # 401: the session had ended already
            raise
    finally:
        with cloud.store.transaction():
            cloud.forget_login()


def fetch_policy(cloud: Cloud, region: Region, locale: str) -> tuple[policies.Policy, str]:
    """Fetch a region's policy and its text in `locale`, or in another language if it has none.

    Of the owner this reveals only the IP address. It is fetched only when the owner asks to see it.
    """
    agreed = 0
    if cloud.store.get("consent") and cloud.store.get("region").decode() == region.name:
        agreed = cloud.policy().terms.version
    with cloud.connect(region=region) as service:
        note = service.public(f"/policy/{region.name}")
        policy = policies.open_policy(note, region.policy_key, region.name, agreed)
        if locale not in policy.terms.text:
            locale = min(policy.terms.text, default=locale)
        path = f"/policy/{region.name}/{policy.terms.version}/{locale}"
        return policy, policies.check_text(policy, locale, service.public(path))


def agree(
    cloud: Cloud, policy: policies.Policy, locale: str, *, at_least: int, guardian: bool
) -> None:
    """Sign a consent to the policy that the owner has read, and store its receipt."""
    region = cloud.region
    statement = policies.make_statement(
        policy, locale, cloud.device_key, at_least=at_least, guardian=guardian
    )
    with cloud.connect() as service:
        key = find_receipt_key(cloud, service, policy)
        found = service.account("POST", "consents", wire.Receipt, statement)
    note = found.receipt.encode()
    receipt = policies.check_consent_receipt(note, key, policy, statement)
    with cloud.store.transaction():
        cloud.store.set("consent", policy.note)
        cloud.store.set(f"receipts/{region.name}", key.encode())
        cloud.store.set("principal", str(receipt.get("piiPrincipalId", "")).encode())
        cloud.store.add_receipt("consent", note)


def withdraw(cloud: Cloud) -> wire.Withdrawal:
    """Turn all types off, then withdraw the consent and store its receipt."""
    policy = cloud.policy()
    with cloud.store.transaction():
        cloud.store.unset("on")
    with cloud.connect() as service:
        key = find_receipt_key(cloud, service, policy)
        found: wire.Withdrawal = service.account("POST", "consents/withdrawal", wire.Withdrawal)
    note = found.receipt.encode()
    policies.check_consent_receipt(note, key, policy, None)
    with cloud.store.transaction():
        cloud.store.add_receipt("withdrawal", note)
        cloud.store.unset("consent")
    return found


def find_receipt_key(cloud: Cloud, service: Service, policy: policies.Policy) -> str:
    """Return a region's receipt key: the policy's, else the first one seen, else the server's."""
    if policy.terms.receipts:
        return policy.terms.receipts
    stored = cloud.store.get(f"receipts/{policy.terms.region}").decode()
    if stored:
        return stored
    return service.public(f"/policy/{policy.terms.region}/receipt-key").decode().strip()


def _check_free(cloud: Cloud) -> None:
    if cloud.store.get("token"):
        raise CloudError(f"This phone is logged in as {cloud.name}; log out first.")


def _derive_checked(
    cloud: Cloud, region: Region, name: str, challenge: wire.Challenge, password: str
) -> bytes:
    """Derive the main key; raises DeceivedError for weak parameters or another salt than before."""
    if challenge.version != 1 or len(challenge.salt) != SALT or len(set(challenge.salt)) < 8:
        raise DeceivedError("The server asks for a weaker key derivation; no key was sent.")
    known = cloud.store.get(f"salt/{region.name}/{name}")
    if known and known != challenge.salt:
        raise DeceivedError("The server gave another salt than before; no key was sent.")
    return cloud.derive(password.encode(), challenge.salt)


def _store_login(
    cloud: Cloud,
    service: Service,
    region: Region,
    name: str,
    found: wire.Login,
    account: AccountKeys,
    label: str,
    salt: bytes,
) -> bool:
    """Register the device's key and store the login; returns whether it needs approval."""
    service.token = found.token
    sealed = seal(account.keys.cipher, label.encode()[:_LABEL].ljust(_LABEL, b"\0"), cloud.entropy)
    device = {"key": bytes(cloud.device_key.verify_key), "label": sealed}
    registered = service.account("PUT", "device", wire.Registered, device)
    store = cloud.store
    with store.transaction():
        is_same = store.get("name") == name.encode() and store.get("region") == region.name.encode()
        if not is_same:
            store.forget_server()
            store.unset("consent", "principal")
        store.set("region", region.name.encode())
        store.set("name", name.encode())
        store.set("token", found.token.encode())
        store.set("account", account.key + account.identity)
        store.set("session", registered.id.encode())
        store.set("salt", salt)
        store.set(f"salt/{region.name}/{name}", salt)
    return bool(registered.state != "approved")


def read_label(account: AccountKeys, sealed: bytes | None) -> str:
    """Decrypt a device's label."""
    if sealed is None:
        return ""
    try:
        return unseal(account.keys.cipher, sealed).rstrip(b"\0").decode("utf-8", "replace")
    except CloudError:
        return "(another account's label)"
