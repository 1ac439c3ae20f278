"""Carries changes out until they are done: immediately, when due, and after a failure."""

from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from server.core.errors import HeningError
from server.release.rollouts.execution import SERVER, Execution
from server.release.rollouts.ledger import find_due, sentence
from server.storage.database import Sessions
from server.storage.errors import StorageError

ORPHAN_SECONDS = 30  # after which another process completes the change of a request
HALT_SECONDS = 1  # the same for a halt of another process; doing it twice is harmless
HALT = "halt"


class ChangeRunner:
    """Carries changes out; `alarm` receives the failures of unattended changes.

    `under_way` holds the ids of changes being carried out, for all loops of the process.
    """

    def __init__(
        self,
        sessions: Sessions,
        execution: Execution,
        alarm: Callable[[str], None],
        under_way: set[str],
    ) -> None:
        self._sessions = sessions
        self._execution = execution
        self._alarm = alarm
        self._under_way = under_way
        self._left: set[str] = set()  # failed here for an external reason; no task has them

    async def carry_out(self, identities: Sequence[str], actor: str) -> None:
        """Carry changes out; after a first failure an alarm names those left to `run_due`."""
        self._under_way.update(identities)
        try:
            await self._execution.carry_out(identities, actor)
        except (StorageError, OSError, SQLAlchemyError) as error:
            for identity in identities:
                if identity not in self._left:
                    self._alarm(
                        f"change {identity} is recorded and not carried out yet:"
                        f" {sentence(str(error))} It is tried again until it is."
                    )
            self._left.update(identities)
            raise
        except HeningError:
            self._left.difference_update(identities)
            raise
        finally:
            self._under_way.difference_update(identities)
        self._left.difference_update(identities)

    async def run_due(self, now: int) -> list[str]:
        """Carry out due changes and those that a crash or failure left; returns the finished ids.

        What failed here is tried again immediately, halts first: they cancel the rest. A change
        that does not fit any more is refused, with an alarm. An external failure is raised after
        everything was tried.
        """
        async with self._sessions() as session:
            due = await find_due(session, now)
        failure: Exception | None = None
        settled = []
        for change in sorted(due, key=lambda change: change.action != HALT):
            begun = max(change.proposed_at, change.approved_at or 0)
            is_lost = change.action == HALT and change.id not in self._under_way
            patience = HALT_SECONDS if is_lost else ORPHAN_SECONDS
            is_asked_for = change.due_at <= begun and change.id not in self._left
            if is_asked_for and now < begun + patience:
                continue  # its own request is working on it
            try:
                await self.carry_out([change.id], SERVER)
            except (StorageError, OSError, SQLAlchemyError) as error:
                failure = error
                continue
            except HeningError as error:
                self._alarm(f"{change.action} of {change.subject} was refused: {error}")
            settled.append(change.id)
        if failure is not None:
            raise failure
        return settled
