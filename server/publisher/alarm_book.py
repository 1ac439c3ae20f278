"""Which alarms were said, so that each is said at its crossing and then once a day."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from server.publisher.lives import Alarm, Severity

AGAIN = timedelta(days=1)


class AlarmBook:
    """Remembers what was said. A role that is renewed is forgotten."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[Severity, datetime]] = {}

    def due(self, alarms: Sequence[Alarm], now: datetime) -> list[Alarm]:
        """Return those of `alarms`, all that hold at `now`, that are to be said now."""
        due = []
        said = {}
        for alarm in alarms:
            severity, at = self._said.get(alarm.role, ("", now))
            if severity != alarm.severity or not timedelta() <= now - at < AGAIN:
                due.append(alarm)
                at = now
            said[alarm.role] = (alarm.severity, at)
        self._said = said
        return due
