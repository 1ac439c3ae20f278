"""Changes: commands as rows of the database, from the proposal to the result.

    waiting ──► approved ──► done
       │           ├───────► refused      it did not fit when its time came
       ├─► rejected└───────► cancelled    by its proposer, an approver, or a halt
       └─► cancelled

A change that needs no approval begins as approved. It is due immediately unless it has a time. The
intent is written just before its publication; after a crash it shows whether the publication
succeeded.
"""

import enum
from typing import TypeVar

import msgspec

from server.core.errors import FormatError
from server.core.names import decode_channel
from server.publisher.build_names import BuildName, BuildNames
from server.release.rollouts.binding import BoundState
from server.release.rollouts.commands import ANY, Command, Note, Offer, action_of
from server.release.rollouts.plan import Course
from server.release.rollouts.preview import Share
from server.storage.models import Change

_T = TypeVar("_T")


class State(enum.StrEnum):
    """The state of a change."""

    WAITING = "waiting"
    APPROVED = "approved"
    DONE = "done"
    REFUSED = "refused"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Arguments(msgspec.Struct, frozen=True):
    """The request, and the channel state to which it is bound: the state seen, and If-Match."""

    command: Command = msgspec.field(name="order")
    seen: BoundState = BoundState()
    if_match: str = ANY
    note: Note = ""


class Intent(msgspec.Struct, frozen=True):
    """The pointer that is about to be published: its hash, and the public versions before it."""

    base: dict[str, int]
    """The version of latest and of each of its parts, by role."""
    pointer: str
    counter: int
    """The counter of the build that the pointer offers."""
    course: Course
    at: int


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a change: the snapshot that published it, or why it was not published."""

    intent: Intent | None = None
    snapshot: int = 0
    reason: str = ""


class ChangeView(msgspec.Struct, frozen=True):
    """A change as the API and commands show it. Times are in epoch seconds."""

    id: str
    action: str
    channel: str
    counter: int
    """The build that the channel offered when this was proposed; 0 if it offered none."""
    command: Command | None = msgspec.field(name="order")
    """Null if the database row is damaged."""
    note: str
    state: State
    proposed_by: str
    proposed_at: int
    approved_by: str | None
    approved_at: int | None
    due_at: int
    finished_at: int | None
    snapshot: int
    """The version of snapshot that published it; 0 if it is not published."""
    reason: str
    """Why it was refused, rejected or cancelled."""
    schedule: list[Share] = []
    """The schedule of the channel after it; empty until it is done."""
    build: BuildName | None = None
    """The build to offer, or else the build that the channel offered; null if it offered none."""


def make_change(
    identity: str, channel: str, arguments: Arguments, proposer: str, now: int, due_at: int
) -> Change:
    """Return the row of a new change in the state approved; the caller may change the state."""
    return Change(
        id=identity,
        action=action_of(arguments.command),
        subject=channel,
        arguments=encode_text(arguments),
        state=State.APPROVED,
        proposed_by=proposer,
        proposed_at=now,
        approved_by=None,
        approved_at=None,
        due_at=due_at,
        finished_at=None,
        outcome="",
    )


def show_change(change: Change, names: BuildNames) -> ChangeView:
    """Return a row in its public form, with the name of its build."""
    try:
        arguments, outcome = read_arguments(change), read_outcome(change)
    except FormatError as error:
        arguments, outcome = None, Outcome(reason=str(error))
    counter = 0 if arguments is None else _build_of(arguments, outcome)
    intent = outcome.intent if change.state == State.DONE else None
    schedule = [] if intent is None else intent.course.schedule
    return ChangeView(
        id=change.id,
        action=change.action,
        channel=change.subject,
        counter=0 if arguments is None else arguments.seen.counter,
        command=None if arguments is None else arguments.command,
        note="" if arguments is None else arguments.note,
        state=State(change.state),
        proposed_by=change.proposed_by,
        proposed_at=change.proposed_at,
        approved_by=change.approved_by,
        approved_at=change.approved_at,
        due_at=change.due_at,
        finished_at=change.finished_at,
        snapshot=outcome.snapshot,
        reason=outcome.reason,
        schedule=[Share(start, permille) for start, permille in schedule],
        build=names.find(decode_channel(change.subject), counter) if counter else None,
    )


def _build_of(arguments: Arguments, outcome: Outcome) -> int:
    """Return the counter of the build that a change concerns, 0 for none.

    A halt concerns the build that is offered when it is carried out, which may be later than the
    one its author saw.
    """
    if isinstance(arguments.command, Offer):
        return arguments.command.counter
    return arguments.seen.counter if outcome.intent is None else outcome.intent.counter


def read_arguments(change: Change) -> Arguments:
    """Read the request; raises FormatError for a damaged row."""
    return _read(change, change.arguments, Arguments)


def read_outcome(change: Change) -> Outcome:
    """Read the result of a change so far; raises FormatError for a damaged row."""
    return _read(change, change.outcome, Outcome) if change.outcome else Outcome()


def known_outcome(change: Change) -> Outcome:
    """Return the result of a change so far; an empty one if its row is damaged."""
    try:
        return read_outcome(change)
    except FormatError:
        return Outcome()


def _read(change: Change, text: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeEncodeError) as error:
        raise FormatError(
            f"the row of change {change.id[:32]} is damaged ({error}): give the command again, and"
            " run `hening-server check`."
        ) from error


def encode_text(value: Arguments | Outcome) -> str:
    """Return the JSON text that a column stores."""
    return msgspec.json.encode(value, order="sorted").decode()
