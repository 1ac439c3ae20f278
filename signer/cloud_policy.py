"""Makes a cloud region's policy from a TOML file and texts, describes it, and signs it offline."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from hening.times import show_second
from server.core.cloud_policy import (
    Policy,
    convert_policy,
    decode_policy,
    encode_policy,
    policy_key_name,
    read_policy,
)
from server.core.note import VerifierKey, decode_verifier_key
from signer.errors import KeyStoreError, SignerError, refusing
from signer.keys.key_name import POLICY_ROLE
from signer.keys.public_key import PublicKey

MAX_SOURCE = 65_536
MAX_TEXT = 65_536
"""Limit of a text that owners are shown, in bytes."""


class PolicyError(SignerError):
    """A policy that cannot be signed, or is not signed."""


def make_policy(source: bytes, texts: Mapping[str, bytes]) -> Policy:
    """Return the policy of a TOML file, with the hashes of `texts` by locale.

    Raises PolicyError for a policy that is malformed, contradicts itself, or is too large.
    """
    if len(source) > MAX_SOURCE:
        raise PolicyError(f"The policy's file has more than {MAX_SOURCE} bytes; shorten it.")
    try:
        values: dict[str, Any] = tomllib.loads(source.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"The policy's file is not TOML: {error}.") from error
    if "text" in values:
        raise PolicyError("Leave `text` out of the policy's file, and give --text LOCALE=FILE.")
    starts = values.get("from")
    if not isinstance(starts, datetime) or starts.tzinfo is None:
        raise PolicyError(
            "`from` must be a time with a time zone, such as 2027-01-01T00:00:00Z; correct it."
        )
    for locale, text in texts.items():
        if not text or len(text) > MAX_TEXT or not _is_text(text):
            raise PolicyError(
                f"The text for {locale} must be UTF-8 of 1 to {MAX_TEXT} bytes; correct the file."
            )
    values |= {
        "from": int(starts.timestamp()),
        "text": {locale: hashlib.sha256(text).hexdigest() for locale, text in texts.items()},
    }
    with refusing(PolicyError):
        return convert_policy(values)


def find_policy_key(key: PublicKey, region: str) -> VerifierKey:
    """Return the key as a note's verifier key; raises KeyStoreError for a key of another role."""
    if key.role != POLICY_ROLE:
        raise KeyStoreError(
            f"{key.name} signs {key.role}; a policy is signed by a key such as policy-1:"
            " `hening-signer keys new policy-1` makes it."
        )
    return VerifierKey(policy_key_name(region), bytes.fromhex(key.public))


def sign_policy(policy: Policy, key: VerifierKey, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the policy as a signed note; raises PolicyError if it is too large."""
    with refusing(PolicyError):
        return encode_policy(policy, key, sign)


def open_policy(note: bytes, key: str | None) -> Policy:
    """Return the policy in a note; the signature is verified only if `key` is given."""
    with refusing(PolicyError):
        if key is not None:
            return decode_policy(note, decode_verifier_key(key))
        try:
            return read_policy(note.decode().rpartition("\n\n")[0] + "\n")
        except UnicodeDecodeError as error:
            raise PolicyError("The policy is not UTF-8.") from error


def _is_text(text: bytes) -> bool:
    try:
        return "\0" not in text.decode()
    except UnicodeDecodeError:
        return False


def describe_policy(policy: Policy) -> list[tuple[str, str]]:
    """Return pairs of a label and a statement that describe the policy to people."""
    hours, days = policy.hours, policy.days
    laws = "; ".join(f"{law.name} ({', '.join(law.articles)})" for law in policy.laws)
    return [
        ("Region", f"{policy.region}, version {policy.version}, from {show_second(policy.starts)}"),
        ("Controller", f"{policy.controller.name}, {policy.controller.contact}"),
        ("Laws", laws),
        ("Data live in", _places(policy)),
        ("Age", _age(policy)),
        ("Used for", ", ".join(policy.purposes)),
        ("Access and export", f"within {hours.access} h and {hours.export} h"),
        ("Erasure", f"complete {hours.erase} h after the request"),
        ("Withdrawn consent", f"nothing is processed {hours.stop_after_withdrawal} h later"),
        ("Breach", f"owners are notified within {hours.breach_notice} h"),
        (
            "Unused account",
            f"is announced after {days.inactive} days, and erased {days.notice} days later",
        ),
        ("Erased name", f"not given out again for {days.quarantine} days"),
        ("Old revisions", f"{days.revisions} days; marks of deletion {days.tombstones} days"),
        ("Backups", f"destroyed after {days.backups} days"),
        ("Unused session", f"ends after {days.session_idle} days"),
        ("Records of erasures", f"{policy.logs_days} days after the last backup is gone"),
        ("Texts", ", ".join(f"{name} {hash_[:16]}…" for name, hash_ in policy.text.items())),
        ("Key of receipts", policy.receipts or "not named; a phone keeps the first it sees"),
    ]


def _places(policy: Policy) -> str:
    others = [name for name in policy.may_live_in if name != policy.country]
    if not others:
        return f"{policy.country} alone"
    return f"{policy.country}, or {', '.join(others)} by {policy.transfer.basis}"


def _age(policy: Policy) -> str:
    if policy.guardian_below > policy.minimum_age:
        return f"{policy.minimum_age} and above; below {policy.guardian_below} a guardian agrees"
    return f"{policy.minimum_age} and above" if policy.minimum_age else "any"
