"""Verify policies and receipts, and sign consent statements (FORMATS section 17).

Policies are verified with the key in the phone's image, receipts with the key in the policy. The
server's own statements are not trusted.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from nacl.signing import SigningKey

from client_sim.cloud import wire
from client_sim.cloud.errors import CloudError, DeceivedError
from client_sim.device.errors import LogError
from client_sim.device.tlog import LogKey, decode_log_key, verify_note

_LIMIT: Final = 64 * 1024
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


class Hours(msgspec.Struct, frozen=True):
    """Deadlines of a policy, in hours."""

    access: int
    breach_notice: int
    erase: int
    export: int
    stop_after_withdrawal: int


class Days(msgspec.Struct, frozen=True):
    """Deadlines of a policy, in days."""

    backups: int
    inactive: int
    notice: int
    quarantine: int
    revisions: int
    session_idle: int
    tombstones: int


class Controller(msgspec.Struct, frozen=True):
    """The controller, who is legally responsible for the data."""

    contact: str
    name: str


class Terms(msgspec.Struct, frozen=True):
    """The members of a policy that the phone shows or checks."""

    schema: int
    region: str
    version: int
    country: str
    may_live_in: list[str]
    minimum_age: int
    guardian_below: int
    hours: Hours
    days: Days
    controller: Controller
    purposes: list[str]
    text: dict[str, str]
    receipts: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A verified policy: its note, the sha256 that statements refer to, and its terms."""

    note: bytes
    sha256: str
    terms: Terms


def open_policy(note: bytes, key: str, region: str, at_least: int = 0) -> Policy:
    """Verify a policy of `region` with the image's key, and decode it.

    `at_least` is the version that the owner agreed to. Raises DeceivedError if the signature is
    invalid, the policy is of another region, or its version is older.
    """
    text = _open(note, _key(key, f"hening-policy/{region}"), "policy")
    try:
        terms = msgspec.json.decode(text, type=Terms)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DeceivedError("The policy is signed, but this phone cannot read it.") from None
    if terms.schema != 1 or terms.region != region:
        raise DeceivedError("The server gave the policy of another region.")
    if terms.version < at_least:
        raise DeceivedError(
            f"The server gave version {terms.version} of the policy; you agreed to {at_least}."
        )
    return Policy(note, hashlib.sha256(text).hexdigest(), terms)


def check_text(policy: Policy, locale: str, text: bytes) -> str:
    """Return the policy's text in `locale`; raises DeceivedError if it is not the signed one."""
    if policy.terms.text.get(locale) != hashlib.sha256(text).hexdigest():
        raise DeceivedError("The policy's text is not the signed one.")
    return text.decode("utf-8", "replace")


def make_statement(
    policy: Policy, locale: str, key: SigningKey, *, at_least: int, guardian: bool
) -> dict[str, str]:
    """Return an owner's signed consent to a policy.

    Raises CloudError if the policy lacks the language, or the owner is too young.
    """
    terms = policy.terms
    if locale not in terms.text:
        known = ", ".join(sorted(terms.text))
        raise CloudError(f"The policy has no text in {locale}; choose one of: {known}.")
    if at_least < terms.minimum_age:
        raise CloudError(f"In this region owners must be {terms.minimum_age} or older.")
    if at_least < terms.guardian_below and not guardian:
        raise CloudError(f"Below {terms.guardian_below} a guardian must agree, too.")
    members = {
        "at_least": at_least,
        "guardian": guardian,
        "locale": locale,
        "policy": policy.sha256,
        "region": terms.region,
        "schema": 1,
        "text": terms.text[locale],
        "type": "consent",
        "version": terms.version,
    }
    statement = encode_canonical(members)
    return {
        "statement": statement.decode(),
        "public_key": base64.b64encode(bytes(key.verify_key)).decode(),
        "signature": base64.b64encode(key.sign(statement).signature).decode(),
    }


def check_consent_receipt(
    note: bytes, key: str, policy: Policy, statement: dict[str, str] | None
) -> dict[str, Any]:
    """Verify and decode the receipt of a consent, or of a withdrawal if `statement` is None.

    Raises DeceivedError unless it is about this policy and this statement.
    """
    receipt = open_receipt(note, key, policy.terms.region)
    expected_policy = {
        "region": policy.terms.region,
        "sha256": policy.sha256,
        "version": policy.terms.version,
    }
    event = "withdrawn" if statement is None else "given"
    is_valid = receipt.get("type") == "consent" and receipt.get("policy") == expected_policy
    record = receipt.get("record")
    is_valid = is_valid and isinstance(record, dict) and record.get("event_state") == event
    if statement is not None:
        signed = hashlib.sha256(statement["statement"].encode()).hexdigest()
        device = {"public_key": statement["public_key"], "statement": signed}
        is_valid = is_valid and receipt.get("device") == device
    if not is_valid:
        raise DeceivedError("The server's receipt is not about what you signed.")
    return receipt


def check_erasure_receipt(
    note: bytes, key: str, policy: Policy, number: str, account: str, requested_at: int
) -> dict[str, Any]:
    """Verify and decode the receipt of the erasure `number`.

    `account` is the account's name in earlier receipts, empty without one. `requested_at` is the
    time of the request by the phone's clock. Raises DeceivedError if the receipt is about something
    else, or if its times violate the policy.
    """
    receipt = open_receipt(note, key, policy.terms.region)
    terms = policy.terms
    expected_policy = {"region": terms.region, "sha256": policy.sha256, "version": terms.version}
    times = [receipt.get(name) for name in ("asked", "done", "due", "last_backup_gone")]
    if (
        receipt.get("type") != "erasure"
        or receipt.get("id") != number
        or receipt.get("policy") != expected_policy
        or (account and receipt.get("account") != account)
        or any(not isinstance(at, int) for at in times)
    ):
        raise DeceivedError("The server's receipt is not about this erasure.")
    requested, done, due, backups = (at for at in times if isinstance(at, int))
    if not requested <= done <= due <= requested + terms.hours.erase * _HOUR:
        raise DeceivedError("By its receipt, the erasure took longer than the policy allows.")
    if abs(requested - requested_at) > _DAY:
        raise DeceivedError("The receipt states another time for your request.")
    if not done <= backups <= done + (terms.days.backups + 1) * _DAY:
        raise DeceivedError("By the receipt, backups are kept longer than the policy allows.")
    return receipt


def open_receipt(note: bytes, key: str, region: str) -> dict[str, Any]:
    """Verify and decode a receipt of `region`; raises DeceivedError."""
    text = _open(note, _key(key, f"hening-receipt/{region}"), "receipt")
    receipt: dict[str, Any] = wire.decode(text, dict[str, Any], is_json=True)
    return receipt


def encode_canonical(value: object) -> bytes:
    """Return canonical JSON (FORMATS section 1)."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def _key(text: str, name: str) -> LogKey:
    try:
        key = decode_log_key(text)
    except LogError:
        raise DeceivedError(f"The key {name} is not a verifier key.") from None
    if key.name != name:
        raise DeceivedError(f"The key has another name than {name}.")
    return key


def _open(note: bytes, key: LogKey, kind: str) -> bytes:
    try:
        return verify_note(note, key, limit=_LIMIT).encode()
    except LogError:
        raise DeceivedError(f"The server's {kind} is not signed by {key.name}.") from None
