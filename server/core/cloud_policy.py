"""Policies of the cloud: the legal requirements of one region, as numbers that code enforces.

A policy is canonical JSON in a signed note. It is made offline, so that an operator cannot change
what owners agreed to. Source: docs/FORMATS.md section 17.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from server.core.encodings import (
    MAX_INTEGER,
    check_sha256,
    decode_canonical_json,
    encode_canonical_json,
)
from server.core.errors import FormatError
from server.core.names import Locale
from server.core.note import MAX_NOTE, VerifierKey, decode_verifier_key, encode_note, verify_note

REGION = r"^[a-z][a-z0-9-]{1,31}\Z"
Region = Annotated[str, msgspec.Meta(pattern=REGION)]
Country = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=160)]
Version = Annotated[int, msgspec.Meta(ge=1, le=999_999)]
Hours = Annotated[int, msgspec.Meta(ge=1, le=24 * 366)]
Days = Annotated[int, msgspec.Meta(ge=1, le=3660)]
Age = Annotated[int, msgspec.Meta(ge=0, le=25)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Controller(_Part, frozen=True):
    """The data controller, and its contact for owners."""

    name: Line
    contact: Line


class Law(_Part, frozen=True):
    """A law, and the articles that the numbers come from."""

    name: Line
    articles: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=32)]


class Deadlines(_Part, frozen=True):
    """Deadlines in hours: `access` and `export` until the answer, `erase` until completion.

    `stop_after_withdrawal` is from a withdrawal until the account's data is not processed any more,
    `breach_notice` from the discovery of a breach until owners are notified.
    """

    access: Hours
    export: Hours
    erase: Hours
    stop_after_withdrawal: Hours
    breach_notice: Hours


class Lifetimes(_Part, frozen=True):
    """Lifetimes in days: `inactive` of an unused account, `notice` before it is erased, and others.

    `quarantine` is how long the name of an erased account stays unassigned, `backups` the age at
    which a backup of the server is destroyed, `session_idle` the lifetime of an unused session.
    """

    inactive: Days
    notice: Days
    quarantine: Days
    revisions: Days
    tombstones: Days
    backups: Annotated[int, msgspec.Meta(ge=0, le=3660)]
    session_idle: Days


class Transfer(_Part, frozen=True):
    """Whether data may be stored outside `country`, and on what legal basis."""

    allowed: bool
    basis: Annotated[str, msgspec.Meta(max_length=160)]


class Policy(_Part, frozen=True, rename={"starts": "from"}, omit_defaults=True):
    """One version of a region's policy; `starts` is in epoch seconds.

    `text` maps locales to the sha256 of the text for owners. `receipts` is the key with which the
    region signs receipts; without it a phone keeps the first key that it saw.
    """

    schema: Literal[1]
    region: Region
    version: Version
    starts: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    controller: Controller
    laws: Annotated[list[Law], msgspec.Meta(min_length=1, max_length=16)]
    country: Country
    may_live_in: Annotated[list[Country], msgspec.Meta(min_length=1, max_length=64)]
    minimum_age: Age
    guardian_below: Age
    hours: Deadlines
    days: Lifetimes
    transfer: Transfer
    purposes: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=16)]
    logs_days: Annotated[int, msgspec.Meta(ge=0, le=3660)]
    text: Annotated[dict[Locale, str], msgspec.Meta(min_length=1, max_length=32)]
    receipts: str = ""

    def __post_init__(self) -> None:
        for digest in self.text.values():
            check_sha256(digest)
        _check(self.country in self.may_live_in, "may_live_in lacks country; add it.")
        _check(
            len(set(self.may_live_in)) == len(self.may_live_in),
            "may_live_in names a country twice; name it once.",
        )
        _check(
            self.transfer.allowed or self.may_live_in == [self.country],
            "transfer is not allowed, so may_live_in must be only country.",
        )
        _check(
            not self.transfer.allowed or bool(self.transfer.basis),
            "transfer is allowed, so name its legal basis in transfer.basis.",
        )
        _check(
            self.guardian_below == 0 or self.guardian_below >= self.minimum_age,
            "guardian_below must be at least minimum_age, or 0 if no guardian has to consent.",
        )
        _check(
            self.days.notice < self.days.inactive,
            "days.notice must be less than days.inactive.",
        )
        _check(
            self.days.revisions <= self.days.tombstones,
            "days.tombstones must be at least days.revisions.",
        )
        if self.receipts and decode_verifier_key(self.receipts).name != receipt_key_name(
            self.region
        ):
            raise FormatError(f"receipts is not a key named {receipt_key_name(self.region)}.")


def policy_key_name(region: str) -> str:
    """Return the name of the key that signs a region's policies, as it is in notes."""
    return f"hening-policy/{region}"


def receipt_key_name(region: str) -> str:
    """Return the name of the key that signs a region's receipts, as it is in notes."""
    return f"hening-receipt/{region}"


def convert_policy(values: Mapping[str, Any]) -> Policy:
    """Return the policy of JSON values; raises FormatError, which names the malformed member."""
    try:
        return msgspec.convert(values, Policy)
    except msgspec.ValidationError as error:
        raise FormatError(f"the policy is malformed: {error}.") from error


def encode_policy(policy: Policy, key: VerifierKey, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the note of a policy, signed by `sign`, which holds the seed of `key`."""
    text = encode_canonical_json(msgspec.to_builtins(policy)).decode()
    note = encode_note(text, key, sign)
    decode_policy(note, key)
    return note


def decode_policy(note: bytes, key: VerifierKey) -> Policy:
    """Verify the note of a policy by `key`; raises FormatError or LogError."""
    return read_policy(verify_note(note, key))


def read_policy(text: str) -> Policy:
    """Return the policy in the text of a note, without verifying it; raises FormatError."""
    values = decode_canonical_json(text.encode(), limit=MAX_NOTE)
    if not isinstance(values, dict):
        raise FormatError("the policy is not a JSON object.")
    return convert_policy(values)


def check_follows(policy: Policy, before: Policy) -> None:
    """Raise FormatError unless `policy` may follow `before`, the newest policy so far."""
    _check(
        policy.region == before.region,
        f"it is for the region {policy.region}, not for {before.region}.",
    )
    _check(
        policy.version > before.version,
        f"its version {policy.version} is not above {before.version}, the newest version here.",
    )
    _check(
        policy.starts >= before.starts,
        f"it would apply before version {before.version} does; give a later `from`.",
    )


def _check(holds: bool, sentence: str) -> None:
    if not holds:
        raise FormatError(sentence)
