"""Idempotency keys: a POST with an `Idempotency-Key` is executed at most once within a day.

    1  a row is written for the request           after a crash before it, nothing has happened
    2  the handler does its work                  its first audit log entry is stored in the row
    3  the answer is written into the row         from here on a repetition gets this answer

After a crash between 1 and 3, the row shows whether the work was done. If it was not, a repetition
does it. If it was, the operation's `again` answers from the present state. An answer with a secret
is not stored; its repetition gets an error that says so. After an answer 429, 503 or 507, which
means "later", a repetition is handled as after a crash.

Storage is limited for each account. Answers without an effect (refusals, repeated halts) can be
computed again. So only the newest of them are kept, and they are removed first when an account
reaches its limit of keys.
"""

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.release.api.problems import ProblemError
from server.release.auth.audit_log import CLAIM, Claim
from server.release.auth.principal import redact
from server.release.errors import RateError, Share
from server.storage.database import Sessions
from server.storage.models import IdempotencyKey

KEPT_SECONDS = 24 * 3600
BEGUN = 0
"""The status of a row whose answer is not known yet."""
EFFECTLESS_KEPT = 100
"""Stored answers of an account without an effect; repetitions usually come within seconds.

Between two cleanups there may be twice as many.
"""
REFUSAL_LIMIT = 16_384  # bytes of a stored refusal; one with a proposal may be longer
CLEANUP_SECONDS = 60  # between two cleanups of an account's rows, which take milliseconds
RETRY_STATUSES = frozenset({429, 503, 507})
REPLAYED = MappingProxyType({"Idempotent-Replayed": "true"})
_KEY = re.compile(r"[\x21-\x7e]{1,80}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete stored answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_key(text: str) -> str:
    """Return the key of an `Idempotency-Key` header, with or without quotes."""
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if _KEY.fullmatch(key) is None:
        raise ProblemError(400, "malformed", "Idempotency-Key is 1 to 80 visible ASCII characters.")
    if redact(key) != key:
        raise ProblemError(400, "malformed", "Idempotency-Key looks like a token: use another key.")
    return key


@dataclass(frozen=True, slots=True)
class Request:
    """A request with a key. Without `keep`, the answer is not stored, because it has a secret.

    An `urgent` request is accepted however many keys the account has used.
    """

    account: str
    key: str
    sha256: str
    keep: bool = True
    urgent: bool = False


class Idempotency:
    """The keys of the last 24 hours, at most `most` of one account.

    `epoch` returns the time in epoch seconds, `entropy(n)` n random bytes.
    """

    def __init__(
        self,
        sessions: Sessions,
        epoch: Callable[[], int],
        entropy: Callable[[int], bytes],
        most: int,
    ) -> None:
        self._sessions = sessions
        self._epoch = epoch
        self._entropy = entropy
        self._most = most
        self._cleaned: dict[str, int] = {}  # the last cleanup of an account's rows
        self._answers = Counter[str]()  # answers to an account since its last cleanup
        self._under_way: dict[tuple[str, str], str] = {}

    async def once(
        self,
        request: Request,
        work: Callable[[], Awaitable[Answer]],
        again: Callable[[int], Awaitable[Answer]],
    ) -> Answer:
        """Return the stored answer of the key, or do `work` and store its answer.

        `again` is called with the index of the audit log entry of work whose answer was lost, any
        number of times. Raises ProblemError 422 for another request with the same key, ProblemError
        409 while the request is running, and RateError if the account has too many keys.
        """
        mine = (request.account, request.key)
        if mine in self._under_way:
            _check_same(self._under_way[mine], request)
            raise _under_way()
        self._under_way[mine] = request.sha256
        try:
            row = await self._begin(request)
            if row.status != BEGUN:
                return _replay(row)
            claim = Claim(request.account, request.key, row.attempt)
            token = CLAIM.set(claim)
            try:
                if row.effect is None:
                    answer = await work()
                else:
                    answer = await again(row.effect)
                    answer = replace(answer, headers={**answer.headers, **REPLAYED})
            finally:
                CLAIM.reset(token)
            self._answers[request.account] += 1
            is_large_refusal = 400 <= answer.status < 500 and len(answer.body) > REFUSAL_LIMIT
            if answer.status in RETRY_STATUSES or is_large_refusal:
                await self._forget(claim)
            else:
                await self._finish(claim, answer, keep=request.keep)
            return answer
        finally:
            del self._under_way[mine]

    async def _begin(self, request: Request) -> IdempotencyKey:
        """Insert the row of a new request, or return the existing row.

        If the existing row has neither answer nor effect, this attempt takes it over: the former
        attempt has died, or cannot change anything any more.
        """
        now, attempt = self._epoch(), self._entropy(8).hex()
        mine = (IdempotencyKey.account == request.account, IdempotencyKey.key == request.key)
        row = IdempotencyKey(
            account=request.account,
            key=request.key,
            request_sha256=request.sha256,
            status=BEGUN,
            headers="{}",
            body="",
            created_at=now,
            attempt=attempt,
        )
        abandoned = update(IdempotencyKey).where(
            *mine,
            IdempotencyKey.request_sha256 == request.sha256,
            IdempotencyKey.status == BEGUN,
            IdempotencyKey.effect.is_(None),
        )
        known: IdempotencyKey | None
        try:
            async with self._sessions.begin() as session:
                await self._clean_up(session, request.account, now)
                await session.execute(delete(IdempotencyKey).where(*mine, _is_old(now)))
                await session.execute(abandoned.values(attempt=attempt))
                known = await session.scalar(select(IdempotencyKey).where(*mine))
                if known is None:
                    if not request.urgent:
                        await self._make_room(session, request.account, now)
                    session.add(row)
                    return row
        except IntegrityError:  # another process inserted the row before this commit
            async with self._sessions() as session:
                known = await session.scalar(select(IdempotencyKey).where(*mine))
            if known is None:
                raise
        _check_same(known.request_sha256, request)
        if known.status == BEGUN and known.effect is None and known.attempt != attempt:
            raise _under_way()  # another process has just begun it
        return known

    async def _clean_up(self, session: AsyncSession, account: str, now: int) -> None:
        """Now and then, delete rows older than a day, and all but the newest without an effect."""
        last = self._cleaned.get(account, now - CLEANUP_SECONDS)
        if 0 <= now - last < CLEANUP_SECONDS and self._answers[account] < EFFECTLESS_KEPT:
            return
        self._cleaned[account] = now
        del self._answers[account]
        newest = (
            select(IdempotencyKey.key)
            .where(IdempotencyKey.account == account, _EFFECTLESS)
            .order_by(IdempotencyKey.created_at.desc(), IdempotencyKey.key)
            .limit(EFFECTLESS_KEPT)
        )
        goes = or_(_is_old(now), and_(_EFFECTLESS, IdempotencyKey.key.not_in(newest)))
        await session.execute(delete(IdempotencyKey).where(IdempotencyKey.account == account, goes))

    async def _make_room(self, session: AsyncSession, account: str, now: int) -> None:
        """Raise RateError unless another key is allowed; delete rows without an effect for it."""
        own = IdempotencyKey.account == account
        count = select(func.count()).select_from(IdempotencyKey).where(own)
        if (await session.scalar(count) or 0) < self._most:
            return
        await session.execute(delete(IdempotencyKey).where(own, _EFFECTLESS))
        if (await session.scalar(count) or 0) < self._most:
            return
        oldest = await session.scalar(select(func.min(IdempotencyKey.created_at)).where(own))
        wait = max(1, (oldest or now) + KEPT_SECONDS - now)
        raise RateError(
            f"{account} has used {self._most} Idempotency-Keys within a day: try again in {wait} s,"
            " or have the operator raise `idempotency_keys`.",
            wait,
            Share.IDEMPOTENCY_KEYS,
        )

    async def _finish(self, claim: Claim, answer: Answer, *, keep: bool) -> None:
        async with self._sessions.begin() as session:
            await session.execute(
                update(IdempotencyKey)
                .where(*claim.conditions())
                .values(
                    status=answer.status,
                    headers=json.dumps(dict(answer.headers)) if keep else "",
                    body=answer.body.decode() if keep else "",
                )
            )

    async def _forget(self, claim: Claim) -> None:
        """Delete the row, which frees the key, unless the request had an effect."""
        async with self._sessions.begin() as session:
            await session.execute(
                delete(IdempotencyKey).where(*claim.conditions(), IdempotencyKey.effect.is_(None))
            )


_EFFECTLESS = and_(IdempotencyKey.status.between(200, 499), IdempotencyKey.effect.is_(None))


def _is_old(now: int) -> ColumnElement[bool]:
    return IdempotencyKey.created_at <= now - KEPT_SECONDS


def _check_same(known: str, request: Request) -> None:
    if known != request.sha256:
        raise ProblemError(
            422, "key-reused", "This Idempotency-Key belongs to another request: use a new one."
        )


def _under_way() -> ProblemError:
    return ProblemError(
        409, "under-way", "The request with this key is running: repeat it later for its answer."
    )


def answer_lost(reason: str) -> ProblemError:
    """Return the refusal of a repetition whose answer cannot be given again."""
    return ProblemError(
        409, "answer-not-kept", f"The request was done, {reason}; its answer was not stored."
    )


def _replay(known: IdempotencyKey) -> Answer:
    if not known.headers:
        raise answer_lost(f"with status {known.status}, and its answer contained a secret")
    headers = {**json.loads(known.headers), **REPLAYED}
    return Answer(known.status, headers, known.body.encode())
