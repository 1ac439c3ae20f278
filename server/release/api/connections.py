"""Which connection of the control plane gives way to a new one when all slots are taken.

The holder of most gives way: an account, or all connections together over which no valid token
came. So tokenless connections take no slot from an account within its share, and an account takes
none from the new connections of others, which have no token yet.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

TOKENLESS = ""
"""The holder of connections over which no valid token came."""


class Slot(Protocol):
    """A connection: `account` and `token` are of the last valid token that came over it."""

    account: str
    token: str

    @property
    def is_busy(self) -> bool:
        """Whether a request of it is being answered."""


def choose_leaving(slots: Sequence[Slot]) -> int | None:
    """Return the index of the connection that gives way, None where the new one does.

    `slots` are all but the new one, the oldest first. Of the largest holder's connections those of
    its largest token go first, idle ones before busy ones, and the oldest of them. With n slots and
    k holders, no holder of n // k or fewer connections loses one, nor of a single one.
    """
    held = Counter(slot.account for slot in slots)
    held[TOKENLESS] += 1  # the new one
    largest = max(held, key=lambda account: (held[account], account == TOKENLESS))
    own = [index for index, slot in enumerate(slots) if slot.account == largest]
    tokens = Counter(slots[index].token for index in own)
    return min(
        own,
        key=lambda index: (-tokens[slots[index].token], slots[index].is_busy, index),
        default=None,
    )
