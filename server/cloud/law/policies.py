"""Versions of the region's policy; the newest one whose start has passed is in force."""

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
"""Seconds for which a node caches the policies; another process may accept new versions."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A policy, its signed note, and the sha256 of the note's text in hexadecimal."""

    policy: Policy
    note: bytes
    sha256: str


class Policies:
    """The region's policies, cached from the database; empty without `key`.

    A caller that already has a database session must pass it as `db`. Waiting for a second
    connection while holding one can deadlock.
    """

    def __init__(self, database: Sessions, key: str) -> None:
        self._database = database
        self._key = decode_verifier_key(key) if key else None
        self._known: dict[int, Signed] = {}
        self._read_at: int | None = None

    async def load(self, now: int, db: AsyncSession | None = None) -> list[Signed]:
        """Return all versions, oldest first; raises HeningError for an invalid signature."""
        if self._key is None:
            return []
        if self._read_at is None or not 0 <= now - self._read_at < FRESH_SECONDS:
            if db is None:
                async with self._database() as new_session:
                    return await self.load(now, new_session)
            rows = (await db.scalars(select(PolicyRow))).all()
            self._known = {
                row.version: self._known.get(row.version) or open_signed(row.note, self._key)
                for row in rows
            }
            self._read_at = now
        return [self._known[version] for version in sorted(self._known)]

    async def current(self, now: int, db: AsyncSession | None = None) -> Signed | None:
        """Return the policy in force at `now`, if any."""
        started = [each for each in await self.load(now, db) if each.policy.starts <= now]
        return started[-1] if started else None

    async def find(self, version: int, now: int) -> Signed:
        """Return one version of the policy; raises CloudError if it does not exist."""
        for each in await self.load(now):
            if each.policy.version == version:
                return each
        raise not_found("policy")


def open_signed(note: bytes, key: VerifierKey) -> Signed:
    """Verify and decode a policy's note; raises FormatError or LogError."""
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
    """Verify and return a note's policy; raises HeningError unless it fits cloud and texts."""
    policy = decode_policy(note, key)
    if policy.region != region:
        raise FormatError(
            f"this cloud's region is {region}, but the policy is for {policy.region}."
        )
    check_country(policy, country)
    if policy.receipts and policy.receipts != str(receipts):
        raise FormatError(
            f"the policy names another receipt key; this cloud's receipt key is {receipts}."
        )
    given = {locale: hashlib.sha256(text).hexdigest() for locale, text in texts.items()}
    if given != policy.text:
        wrong = min(set(given.items()) ^ set(policy.text.items()))[0]
        raise FormatError(
            f"the text for {wrong} is missing, or is not the one in the policy; give"
            " --text LOCALE=FILE for each of the policy's languages."
        )
    return policy


def check_country(policy: Policy, country: str) -> None:
    """Raise FormatError unless the policy allows storing data in `country`."""
    if country not in policy.may_live_in:
        raise FormatError(
            f"data of {policy.region} may live only in {', '.join(policy.may_live_in)}, but this"
            f" cloud's `country` is {country or 'not set'}; move it there, and set `country`."
        )


async def accept_policy(
    db: AsyncSession, note: bytes, policy: Policy, texts: Mapping[str, bytes], now: int
) -> None:
    """Store a checked policy; raises FormatError unless it may follow the newest stored one."""
    newest = await find_newest(db)
    if newest is not None:
        check_follows(policy, newest)
    await db.execute(insert(PolicyRow).values(version=policy.version, note=note, accepted_at=now))
    for locale, body in texts.items():
        await db.execute(
            insert(PolicyText).values(version=policy.version, locale=locale, body=body)
        )


async def find_newest(db: AsyncSession) -> Policy | None:
    """Return the policy with the highest version; its signature was verified on acceptance."""
    query = select(PolicyRow.note).order_by(PolicyRow.version.desc()).limit(1)
    note = await db.scalar(query)
    return None if note is None else read_policy(note.decode().rpartition("\n\n")[0] + "\n")


async def load_text(db: AsyncSession, version: int, locale: str) -> bytes:
    """Return the text of a version in one language; raises CloudError if there is none."""
    body = await db.scalar(
        select(PolicyText.body).where(PolicyText.version == version, PolicyText.locale == locale)
    )
    if body is None:
        raise not_found("text")
    return body
