"""Changes that are no database transaction, a publication above all: told before and after.

    1  an entry `begun`           a crash before it: nothing was told, and nothing done
    2  the work itself            a crash in it: `begun` stays alone, and says what may be half done
    3  an entry `done` or `failed`, which names the first

An auditor reads a `begun` that nothing followed as: look what became of it.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from server.core.errors import HeningError
from server.release.people.trail import record
from server.storage.database import Sessions

_SENTENCE_LIMIT = 500


@contextlib.asynccontextmanager
async def recording(
    sessions: Sessions,
    clock: Callable[[], datetime],
    *,
    actor: str,
    action: str,
    subjects: Sequence[str],
    detail: Mapping[str, Any],
) -> AsyncIterator[dict[str, Any]]:
    """Record what the block does, one entry a subject before it and one after it.

    The block may put what came of it into the dict that it is given. Where it raises, the second
    entry says `failed` with the error's sentence, or for an error of none of our kinds its class.
    """
    indices: list[int] = []
    outcome: dict[str, Any] = {}

    async def tell(stage: str, added: Mapping[str, Any]) -> None:
        at = int(clock().timestamp())
        async with sessions.begin() as session:
            for number, subject in enumerate(subjects):
                began = {"began": indices[number]} if stage != "begun" else {}
                entry = await record(
                    session,
                    at=at,
                    actor=actor,
                    action=action,
                    subject=subject,
                    detail={"stage": stage, **began, **added},
                )
                if stage == "begun":
                    indices.append(entry.index)

    await tell("begun", detail)
    try:
        yield outcome
    except Exception as error:
        known = isinstance(error, HeningError)
        sentence = str(error)[:_SENTENCE_LIMIT] if known else type(error).__name__
        await tell("failed", {"error": sentence})
        raise
    await tell("done", outcome)
