"""Which alarms were said, so that each is said at its crossing and then once a day."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from server.publisher.lives import Severity
from server.publisher.notices import Notice

AGAIN = timedelta(days=1)


class AlarmBook:
    """Remembers what was said. What is in order again is forgotten."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[Severity, datetime]] = {}

    def due(self, notices: Sequence[Notice], now: datetime) -> list[Notice]:
        """Return those of `notices`, all that hold at `now`, that are to be said now."""
        due = []
        said = {}
        for notice in notices:
            severity, at = self._said.get(notice.subject, ("", now))
            if severity != notice.severity or not timedelta() <= now - at < AGAIN:
                due.append(notice)
                at = now
            said[notice.subject] = (notice.severity, at)
        self._said = said
        return due
