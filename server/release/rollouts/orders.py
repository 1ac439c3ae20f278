"""What somebody may want of a channel, as values that API, command line and database share."""

from typing import Annotated

import msgspec

from server.core.pointer import Reason
from server.core.release import Positive
from server.release.rollouts.plan import Plan


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="offer"):
    """Offer the build `counter`, with the stepping stones that it needs, as `plan` says."""

    counter: Positive
    plan: Plan


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="schedule"):
    """Replace what is left of the schedule by `plan`; a paused roll-out goes on with it."""

    plan: Plan


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pause"):
    """Freeze the share that was reached; `reason` is shown to owners, by locale."""

    reason: Reason = {}


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="resume"):
    """Go on with what a pause took out of the schedule."""


class Halt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="halt"):
    """Take nobody in any more, and nobody who has not switched slots; final for the release."""

    reason: Reason = {}


Order = Offer | Schedule | Pause | Resume | Halt
RAISING = (Offer, Schedule, Resume)  # what lets phones in; pause and halt only keep them out
Note = Annotated[str, msgspec.Meta(max_length=500)]


def action_of(order: Order) -> str:
    """Return the word for what an order does: `offer`, `schedule`, `pause`, `resume`, `halt`."""
    return type(order).__name__.lower()
