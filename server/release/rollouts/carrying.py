"""Has changes carried out until they are: at once, when they are due, and after a failure."""

from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from server.core.errors import HeningError
from server.release.rollouts.execution import SERVER, Execution
from server.release.rollouts.ledger import find_due, sentence
from server.storage.database import Sessions
from server.storage.errors import StorageError

ORPHAN_SECONDS = 30  # after which somebody else completes what a request began
HALT_SECONDS = 1  # the same of a halt that this process is not at: twice does no harm
HALT = "halt"


class Carrying:
    """Carries changes out; `alarm` is told what was refused or put off when nobody was there.

    `under_way` holds the ids of what is being carried out, for all loops of the process.
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
        self._left: set[str] = set()  # changes that the surroundings failed here: nobody is at them

    async def carry_out(self, identities: Sequence[str], actor: str) -> None:
        """Carry changes out; an alarm names those that wait, the first time, for `run_due`."""
        self._under_way.update(identities)
        try:
            await self._execution.carry_out(identities, actor)
        except (StorageError, OSError, SQLAlchemyError) as error:
            for identity in identities:
                if identity not in self._left:
                    self._alarm(
                        f"change {identity} is ordered and not carried out yet:"
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
        """Carry out what is due and what a crash or failure left; returns the ids that it settled.

        What failed here is tried again at once, and a halt before anything else: it ends the rest.
        A change that does not fit any more is refused, with an alarm. Raises what the surroundings
        failed by, after everything was tried.
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
                continue  # whoever asked for it is at it
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
