"""Receipts of consents and erasures: canonical JSON in a note that the region signs.

A consent's receipt has the members of the Kantara Initiative's Consent Receipt 1.1. `record` holds
the additional members of ISO/IEC TS 27560:2023. Source: docs/FORMATS.md section 17.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from server.cloud.law.policies import Signed
from server.cloud.secrets import Secrets
from server.cloud.storage.law_models import Erasure
from server.core.encodings import encode_canonical_json
from server.core.note import encode_note

DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Event:
    """A consent that was given or withdrawn at `at`, in epoch seconds.

    `method` is `device` or `page`. `statement` is what a device signed with `public_key`.
    `at_least` is the age in years that the owner states. `ends_at` is when processing ends after a
    withdrawal.
    """

    id: str
    account: str
    at: int
    is_given: bool
    method: str
    locale: str
    at_least: int
    guardian: bool
    statement: bytes | None = None
    public_key: str = ""
    ends_at: int | None = None


def hash_account(account: str) -> str:
    """Return an account's name in receipts: the sha256 of its id, in hexadecimal."""
    return hashlib.sha256(account.encode()).hexdigest()


def make_consent_receipt(secrets: Secrets, event: Event, signed: Signed) -> bytes:
    """Return the signed receipt of a consent or its withdrawal."""
    policy, account = signed.policy, hash_account(event.account)
    value: dict[str, Any] = {
        "schema": 1,
        "type": "consent",
        "version": "KI-CR-v1.1.0",
        "jurisdiction": policy.country,
        "consentTimestamp": event.at,
        "collectionMethod": event.method,
        "consentReceiptID": event.id,
        "publicKey": str(secrets.receipt_key),
        "language": event.locale,
        "piiPrincipalId": account,
        "piiControllers": [
            {"piiController": policy.controller.name, "contact": policy.controller.contact}
        ],
        "policyUrl": f"/policy/{policy.region}/{policy.version}",
        "services": [
            {
                "service": "encrypted backup",
                "purposes": [
                    {
                        "purpose": purpose,
                        "consentType": "EXPLICIT",
                        "piiCategory": ["name of the account", "ciphertext"],
                        "primaryPurpose": True,
                        "termination": "withdrawal, or erasure",
                        "thirdPartyDisclosure": False,
                    }
                    for purpose in policy.purposes
                ],
            }
        ],
        "sensitive": False,
        "record": {
            "schema_version": "ISO/IEC TS 27560:2023",
            "event_state": "given" if event.is_given else "withdrawn",
            "event_time": event.at,
            "event_type": "explicit",
            "lawful_basis": "consent",
            "privacy_notice": policy.text.get(event.locale, ""),
            "storage_locations": list(policy.may_live_in),
            "retention_days": policy.days.inactive + policy.days.notice,
            "withdrawal_method": "POST /account/1/consents/withdrawal",
        },
        "policy": {"region": policy.region, "sha256": signed.sha256, "version": policy.version},
        "age": {"at_least": event.at_least, "guardian": event.guardian},
    }
    if event.statement is not None:
        value["device"] = {
            "public_key": event.public_key,
            "statement": hashlib.sha256(event.statement).hexdigest(),
        }
    if event.ends_at is not None:
        value["record"]["processing_ends"] = event.ends_at
    return _sign(secrets, value)


def make_erasure_receipt(secrets: Secrets, row: Erasure, signed: Signed, done_at: int) -> bytes:
    """Return the signed receipt of an erasure that is done at `done_at`, in epoch seconds."""
    assert row.account is not None
    assert row.root is not None
    policy = signed.policy
    value = {
        "schema": 1,
        "type": "erasure",
        "id": row.id,
        "account": hash_account(row.account),
        "reason": row.reason,
        "asked": row.asked_at,
        "due": row.due_at,
        "done": done_at,
        "erased": {
            "bodies": row.bodies,
            "bytes": row.size,
            "items": row.items,
            "root": row.root.hex(),
        },
        "policy": {"region": policy.region, "sha256": signed.sha256, "version": policy.version},
        "last_backup_gone": (done_at // DAY + policy.days.backups + 1) * DAY,
        "name_free": done_at + policy.days.quarantine * DAY,
    }
    return _sign(secrets, value)


def _sign(secrets: Secrets, value: dict[str, Any]) -> bytes:
    text = encode_canonical_json(value).decode()
    return encode_note(text, secrets.receipt_key, secrets.sign_receipt)
