"""The map as a process serves it: by path, and lists by the request line that asks for them."""

from dataclasses import dataclass, field

from server.compat.pages import Change, Content, Contents, Page, apply_change
from server.http.answers import Hit
from server.http.plane import Requests


@dataclass(slots=True)
class Lists:
    """The map that is served, and the changes that are still to come. Only the loop changes it.

    `lines` are the lists by the request line that asks for them. `changes` are in order. `exact`
    finds whole requests; the plane sets it.
    """

    contents: dict[str, Content] = field(default_factory=dict)
    lines: dict[bytes, Page] = field(default_factory=dict)
    changes: list[tuple[int, Change]] = field(default_factory=list)
    exact: Requests = field(default_factory=dict[bytes, Hit], compare=False)

    def add(self, contents: Contents) -> None:
        """Put paths into the map."""
        self.contents.update(contents)
        for path, each in contents.items():
            if isinstance(each, Page):
                self.lines[_line(path)] = each

    def follow(self, now: float) -> None:
        """Switch the lists whose second has come."""
        while self.changes and self.changes[0][0] <= now:
            self.change(self.changes.pop(0)[1])

    def change(self, change: Change) -> None:
        """Switch lists."""
        apply_change(self.contents, change)
        for path, page in change.items():
            if page is None:
                self.lines.pop(_line(path), None)
            else:
                self.lines[_line(path)] = page


def _line(path: str) -> bytes:
    return f"GET {path} HTTP/1.1".encode()
