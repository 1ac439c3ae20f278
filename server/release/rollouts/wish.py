"""What somebody asks for: one order to one channel, now or later."""

from dataclasses import dataclass

import msgspec

from server.core.errors import FormatError, ReleaseError
from server.core.names import Channel
from server.core.pointer import Pointer
from server.core.release_texts import check_note, check_reason
from server.release.people.permissions import Permission
from server.release.people.principal import Principal
from server.release.rollouts.etag import ANY
from server.release.rollouts.orders import Halt, Order, Pause

MAX_AHEAD = 366 * 86_400
MAX_WORDS = 4000
"""Bytes of reason and note of what stops something, as JSON without escapes: a request with them
has at most the 4 KiB that the urgent listener takes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One order to one channel, for the state of it that `if_match` names."""

    channel: Channel
    order: Order
    if_match: str = ANY
    note: str = ""


def check_due(due_at: int | None, now: int) -> int:
    """Return when an order is carried out; raises FormatError for a time that it may not have."""
    if due_at is not None and not now <= due_at <= now + MAX_AHEAD:
        raise FormatError("a change is due within a year from now, and not in the past.")
    return now if due_at is None else due_at


def check_words(wish: Wish, pointer: Pointer | None) -> None:
    """Raise ReleaseError unless reason and note are plain text; what `pointer` says may stay.

    Those of a halt or pause have at most MAX_WORDS together.
    """
    if isinstance(wish.order, Halt | Pause):
        size = len(msgspec.json.encode({"reason": wish.order.reason, "note": wish.note}))
        if size > MAX_WORDS:
            raise ReleaseError(
                f"reason and note have {size} bytes together and may have {MAX_WORDS}: shorten"
                " them, or leave languages out."
            )
        check_reason(wish.order.reason, pointer)
    check_note(wish.note)


def check_allowed(principal: Principal, wish: Wish) -> None:
    """Raise PermissionDeniedError unless `principal` may give the order of `wish`."""
    needed = Permission.HALT if isinstance(wish.order, Halt) else Permission.ROLLOUT
    principal.check(needed, wish.channel.codename)
