"""Formats sizes and durations for people."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def spell_size(count: int) -> str:
    """Return a number of bytes with three digits in a unit of base 10: `56.1 MB`."""
    if count == 1:
        return "1 byte"
    size = float(count)
    for unit in _UNITS:
        if size < 999.5 or unit == _UNITS[-1]:  # larger values would be rounded to 1000
            break
        size /= 1000
    return f"{size:.3g} {unit}" if size < 999.5 else f"{size:.0f} {unit}"


def spell_span(seconds: int) -> str:
    """Return a duration in the largest unit that fits, rounded: `3 h`, `2 days`."""
    for size, unit in ((86_400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}s" if unit == "day" and count > 1 else f"{count} {unit}"
    return f"{seconds} s"
