"""What is to be done to the key files, decided before any of them is touched."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from server.publisher.online_keys import OnlineKeys
from server.publisher.published import Published

Renewal = Literal["", "timestamp", "all"]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change of key files.

    `keys` are those that can sign once `apply` has made or renamed the files; `renew` says what
    they are to sign afresh then, beside the log: empty for nothing at all.
    """

    keys: OnlineKeys
    apply: Callable[[], object]
    renew: Renewal


PlanKeys = Callable[[OnlineKeys, Published | None, datetime], KeyChange]
"""Decides by the keys that are held, what is published if anything is, and the time."""
