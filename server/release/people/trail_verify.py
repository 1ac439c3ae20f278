"""Whether the trail is whole: in the database, and in an export of it.

A chain shows that something in the middle was changed, removed or put in. Whoever may write to the
database can make a new chain, so an auditor keeps heads (index and hash) elsewhere and has them
compared: `remembered`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.release.errors import TrailError
from server.release.people.trail import DETAIL_LIMIT, NO_ENTRY, describe
from server.release.people.trail_query import read_trail
from server.storage.control_models import TrailHead

LINE_LIMIT = 8 * DETAIL_LIMIT
_MEMBERS = {"action", "actor", "at", "detail", "index", "sha256", "subject"}


@dataclass(frozen=True, slots=True)
class TrailState:
    """How far a trail goes: the number of its entries and the hash of the last."""

    length: int
    sha256: str


class ChainVerifier:
    """Takes entries one by one, oldest first, and refuses the first that breaks the chain."""

    def __init__(self, remembered: Mapping[int, str] | None = None) -> None:
        self._remembered = dict(remembered or {})
        self.state = TrailState(0, NO_ENTRY)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Verify the next entry; raises TrailError that names it."""
        index = self.state.length + 1
        if entry.keys() != _MEMBERS:
            raise TrailError(f"entry {index} of the trail does not have the members of an entry.")
        if entry["index"] != index:
            raise TrailError(
                f"entry {index} of the trail is missing: the next is {entry['index']}."
            )
        value = {name: entry[name] for name in entry if name != "sha256"}
        octets = encode_canonical_json({**value, "previous": self.state.sha256})
        sha256 = hashlib.sha256(octets).hexdigest()
        if entry["sha256"] != sha256:
            raise TrailError(f"entry {index} of the trail is not what was recorded.")
        if self._remembered.pop(index, sha256) != sha256:
            raise TrailError(f"entry {index} of the trail is not the one that was remembered.")
        self.state = TrailState(index, sha256)

    def finish(self) -> TrailState:
        """Return how far the trail goes; raises TrailError where it once went further."""
        if self._remembered:
            raise TrailError(
                f"the trail ends at entry {self.state.length}, and entry"
                f" {max(self._remembered)} was remembered."
            )
        return self.state


async def verify_trail(
    session: AsyncSession, remembered: Mapping[int, str] | None = None
) -> TrailState:
    """Verify all entries in the database; raises TrailError that names the first broken one."""
    # The head before and after: entries that are added meanwhile make the trail longer, not wrong.
    before = await load_head(session)
    chain = ChainVerifier(remembered)
    reached = NO_ENTRY
    async for row in read_trail(session):
        try:
            chain.add(describe(row))
        except FormatError as error:  # a detail that is no JSON any more
            raise TrailError(f"entry {row.index} of the trail is malformed: {error}") from error
        if row.index == before.length:
            reached = row.sha256
    state = chain.finish()
    after = await load_head(session)
    if reached != before.sha256 or not before.length <= state.length <= after.length:
        raise TrailError(
            f"the trail ends at entry {state.length}, and its head names entry {after.length} with"
            f" the hash {after.sha256[:16]}."
        )
    return state


async def load_head(session: AsyncSession) -> TrailState:
    """Return where the trail ends; verifies nothing."""
    found = (await session.execute(select(TrailHead.length, TrailHead.sha256))).one_or_none()
    if found is None:
        raise TrailError("the head of the trail is gone from the database.")
    return TrailState(*found)


def verify_export(
    lines: Iterable[bytes], remembered: Mapping[int, str] | None = None
) -> TrailState:
    """Verify an export, line by line; raises TrailError that names the first broken entry."""
    chain = ChainVerifier(remembered)
    for number, line in enumerate(lines, start=1):
        try:
            value = decode_canonical_json(line, limit=LINE_LIMIT)
        except FormatError as error:
            raise TrailError(f"line {number} of the export is malformed: {error}") from error
        if not isinstance(value, dict):
            raise TrailError(f"line {number} of the export is no entry.")
        chain.add(value)
    return chain.finish()
