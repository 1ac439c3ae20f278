"""Moments as people read them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_10000 = 253_402_300_800


def show_moment(seconds: int) -> str:
    """Return epoch seconds as a date and time in UTC; as a number where no calendar reaches."""
    if not 0 <= seconds < _YEAR_10000:
        return f"{seconds} s after 1970"
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
