"""A POST with an `Idempotency-Key` is done at most once in a day.

    1  a row says that the request is begun       a crash before it: nothing happened
    2  the handler does its work                  a crash here leaves the row without an answer
    3  the answer is written into the row         from here on a repetition gets this answer

After a crash between 1 and 3 nobody knows whether the work was done, so the key answers 409 until
it is forgotten: whoever sent it looks at the state, and if need be sends again with a new key. The
answers 429, 503 and 507 mean "later": the row goes away, and the key may be used again.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from server.release.api.problems import ProblemError
from server.release.people.token_text import redact
from server.storage.control_models import IdempotencyKey
from server.storage.database import Sessions

KEPT_SECONDS = 24 * 3600
BEGUN = 0
"""The status of a row whose answer is not known yet."""
LATER = frozenset({429, 503, 507})
_KEY = re.compile(r"[\x21-\x7e]{1,80}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer as it is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_key(text: str) -> str:
    """Return the key of an `Idempotency-Key` header, with or without quotes."""
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if _KEY.fullmatch(key) is None:
        raise ProblemError(400, "malformed", "Idempotency-Key is 1 to 80 visible ASCII characters.")
    if redact(key) != key:
        raise ProblemError(400, "malformed", "Idempotency-Key looks like a token: take another.")
    return key


class Idempotency:
    """The keys of the last day; `epoch` gives the time in seconds."""

    def __init__(self, sessions: Sessions, epoch: Callable[[], int]) -> None:
        self._sessions = sessions
        self._epoch = epoch

    async def once(
        self,
        account: str,
        key: str,
        request_sha256: str,
        work: Callable[[], Awaitable[Answer]],
        *,
        keep: bool,
    ) -> Answer:
        """Return the answer that the key has, or do `work` and keep its answer.

        `keep` False forgets the body, which holds a secret: a repetition is told so. Raises
        ProblemError: 422 for another request under the key, 409 while it is under way or where it
        was interrupted.
        """
        known = await self._begin(account, key, request_sha256)
        if known is not None:
            return _replay(known, request_sha256)
        answer = await work()
        if answer.status in LATER:
            await self._forget(account, key)
        else:
            await self._finish(account, key, answer, keep=keep)
        return answer

    async def _begin(self, account: str, key: str, request_sha256: str) -> IdempotencyKey | None:
        """Write the row of a new request, or return the row that is there."""
        now = self._epoch()
        mine = (IdempotencyKey.account == account, IdempotencyKey.key == key)
        row = IdempotencyKey(
            account=account,
            key=key,
            request_sha256=request_sha256,
            status=BEGUN,
            headers="{}",
            body="",
            created_at=now,
        )
        try:
            async with self._sessions.begin() as session:
                await session.execute(
                    delete(IdempotencyKey).where(IdempotencyKey.created_at <= now - KEPT_SECONDS)
                )
                known = await session.scalar(select(IdempotencyKey).where(*mine))
                if known is None:
                    session.add(row)
                return known
        except IntegrityError:  # another process wrote the row between our look and our commit
            async with self._sessions() as session:
                known = await session.scalar(select(IdempotencyKey).where(*mine))
            if known is None:
                raise
            return known

    async def _finish(self, account: str, key: str, answer: Answer, *, keep: bool) -> None:
        async with self._sessions.begin() as session:
            await session.execute(
                update(IdempotencyKey)
                .where(IdempotencyKey.account == account, IdempotencyKey.key == key)
                .values(
                    status=answer.status,
                    headers=json.dumps(dict(answer.headers)) if keep else "",
                    body=answer.body.decode() if keep else "",
                )
            )

    async def _forget(self, account: str, key: str) -> None:
        async with self._sessions.begin() as session:
            await session.execute(
                delete(IdempotencyKey).where(
                    IdempotencyKey.account == account, IdempotencyKey.key == key
                )
            )


def _replay(known: IdempotencyKey, request_sha256: str) -> Answer:
    if known.request_sha256 != request_sha256:
        raise ProblemError(
            422, "key-reused", "This Idempotency-Key belongs to another request: take a new one."
        )
    if known.status == BEGUN:
        raise ProblemError(
            409,
            "outcome-unknown",
            "The request with this key is under way or was interrupted: look at the state, then"
            " send again with a new key if need be.",
        )
    if not known.headers:
        raise ProblemError(
            409,
            "answer-not-kept",
            f"It was done with status {known.status}; the answer held a secret and is not kept.",
        )
    headers = {**json.loads(known.headers), "Idempotent-Replayed": "true"}
    return Answer(known.status, headers, known.body.encode())
