"""What holds in a time zone at a time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Seconds east of UTC, the short name, and whether the database marks it as summer time."""

    offset: int
    name: str
    is_summer: bool
