"""What a source has and a pack has not, in one form for every builder."""

from collections import Counter


class LeftOut:
    """What was left out, by reason: its name, and how often it was there.

    A name says where in the source it is, or what it is called there.
    """

    def __init__(self) -> None:
        self._found: dict[str, Counter[str]] = {}

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Take down that something was left out; `reason` is of all that was for the same one."""
        self._found.setdefault(reason, Counter())[name] += count

    def to_json(self) -> list[dict[str, object]]:
        """Return an object for each reason, in order: how much it is, and its names with counts."""
        return [
            {"count": names.total(), "names": dict(sorted(names.items())), "reason": reason}
            for reason, names in sorted(self._found.items())
        ]

    def to_lines(self, limit: int) -> list[str]:
        """Return a sentence for each reason, with at most `limit` names."""
        lines = []
        for reason, names in sorted(self._found.items()):
            told = [
                name if count == 1 else f"{name} ({count})" for name, count in sorted(names.items())
            ]
            more = f"; and {len(told) - limit} more, which --json has" if len(told) > limit else ""
            lines.append(f"Left out ({names.total()}): {reason}: {'; '.join(told[:limit])}{more}")
        return lines
