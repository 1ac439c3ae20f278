"""Versions of the region's policy in the database, of which the newest that has begun holds."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import not_found
from server.cloud.storage.law_models import PolicyRow, PolicyText
from server.core.cloud_policy import Policy, check_follows, decode_policy, read_policy
from server.core.errors import FormatError
from server.core.note import VerifierKey, decode_verifier_key, verify_note
from server.storage.database import Sessions

FRESH_SECONDS: Final = 30
"""How long a node goes without looking for versions that another process accepted."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A policy, its note as it was signed, and the sha256 of the note's text in hexadecimal."""

    policy: Policy
    note: bytes
    sha256: str


class Policies:
    """The region's policies, read from the database now and then; empty without `key`.

    Who has a session already gives it along as `db`: one that waits for a second connection while
    it holds a first could wait for ever.
    """

    def __init__(self, database: Sessions, key: str) -> None:
        self._database = database
        self._key = decode_verifier_key(key) if key else None
        self._known: dict[int, Signed] = {}
        self._read_at: int | None = None

    async def load(self, now: int, db: AsyncSession | None = None) -> list[Signed]:
        """Return all versions, oldest first; raises HeningError for one that is not signed."""
        if self._key is None:
            return []
        if self._read_at is None or not 0 <= now - self._read_at < FRESH_SECONDS:
            if db is None:
                async with self._database() as own:
                    return await self.load(now, own)
            rows = (await db.scalars(select(PolicyRow))).all()
            self._known = {
                row.version: self._known.get(row.version) or open_signed(row.note, self._key)
                for row in rows
            }
            self._read_at = now
        return [self._known[version] for version in sorted(self._known)]

    async def current(self, now: int, db: AsyncSession | None = None) -> Signed | None:
        """Return the policy that holds at `now`, if any."""
        begun = [each for each in await self.load(now, db) if each.policy.starts <= now]
        return begun[-1] if begun else None

    async def find(self, version: int, now: int) -> Signed:
        """Return a version; raises CloudError where there is none."""
        for each in await self.load(now):
            if each.policy.version == version:
                return each
        raise not_found("policy")


def open_signed(note: bytes, key: VerifierKey) -> Signed:
    """Verify a note; raises FormatError or LogError."""
    text = verify_note(note, key)
    return Signed(decode_policy(note, key), note, hashlib.sha256(text.encode()).hexdigest())


def check_policy(
    note: bytes,
    texts: Mapping[str, bytes],
    key: VerifierKey,
    *,
    region: str,
    country: str,
    receipts: VerifierKey,
) -> Policy:
    """Return the policy of a note that fits this cloud and its texts; raises HeningError."""
    policy = decode_policy(note, key)
    if policy.region != region:
        raise FormatError(f"this cloud is of {region}, and the policy of {policy.region}.")
    check_country(policy, country)
    if policy.receipts and policy.receipts != str(receipts):
        raise FormatError(
            f"the policy names another key of receipts; the one of this cloud is {receipts}."
        )
    given = {locale: hashlib.sha256(text).hexdigest() for locale, text in texts.items()}
    if given != policy.text:
        wrong = min(set(given.items()) ^ set(policy.text.items()))[0]
        raise FormatError(
            f"the text for {wrong} is not the one that the policy names; give --text LOCALE=FILE"
            " for each of its languages, as it was signed."
        )
    return policy


def check_country(policy: Policy, country: str) -> None:
    """Raise FormatError unless data of the policy's region may live in `country`."""
    if country not in policy.may_live_in:
        raise FormatError(
            f"data of {policy.region} may live in {', '.join(policy.may_live_in)} alone, and this"
            f" cloud's `country` is {country or 'not set'}; move it there, and set `country`."
        )


async def accept_policy(
    db: AsyncSession, note: bytes, policy: Policy, texts: Mapping[str, bytes], now: int
) -> None:
    """Keep a checked policy; raises FormatError unless it may follow the newest one here."""
    newest = await find_newest(db)
    if newest is not None:
        check_follows(policy, newest)
    await db.execute(insert(PolicyRow).values(version=policy.version, note=note, accepted_at=now))
    for locale, body in texts.items():
        await db.execute(
            insert(PolicyText).values(version=policy.version, locale=locale, body=body)
        )


async def find_newest(db: AsyncSession) -> Policy | None:
    """Return the policy with the highest version, without verifying its signature again."""
    query = select(PolicyRow.note).order_by(PolicyRow.version.desc()).limit(1)
    note = await db.scalar(query)
    return None if note is None else read_policy(note.decode().rpartition("\n\n")[0] + "\n")


async def load_text(db: AsyncSession, version: int, locale: str) -> bytes:
    """Return what owners are shown of a version; raises CloudError where there is no such text."""
    body = await db.scalar(
        select(PolicyText.body).where(PolicyText.version == version, PolicyText.locale == locale)
    )
    if body is None:
        raise not_found("text")
    return body
