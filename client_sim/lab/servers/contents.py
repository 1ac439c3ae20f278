"""What a repository says, without versions, times and signatures, and the changes of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

ONLINE: Final = ("snapshot", "timestamp", "latest", "log")
"""The keys that lie on a server and can be rotated in a run."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is public: builds 1 to `newest` of every model, in every region and channel.

    `schedule` (pairs of epoch seconds and permille), `paused` and `halted` are of the pointers to
    the newest; `rotated` names a role once for each time that its key was replaced; `root`,
    `tables` and `content` count editions. `parts` is into how many `latest` is split: 0, 4 or 16.
    `packs` lists (kind, edition, state) of the packs of which there is something to be said:
    `withdrawn`, `bad`, `turned back`, `timed`, `ended`, `to come`, `for nobody`, `for all`.
    """

    newest: int = 1
    schedule: tuple[tuple[int, int], ...] = ((0, 1000),)
    paused: bool = False
    halted: bool = False
    rotated: tuple[str, ...] = ()
    root: int = 1
    tables: int = 1
    content: int = 1
    parts: int = 0
    packs: tuple[tuple[str, int, str], ...] = ()

    def edition(self, role: str) -> int:
        """Return the edition of `tables` or `content`."""
        return self.tables if role == "tables" else self.content

    def states(self, kind: str, edition: int) -> tuple[str, ...]:
        """Return what is to be said of an edition of a kind, what was said last at the end."""
        return tuple(state for *which, state in self.packs if which == [kind, edition])


Change = Callable[[Contents], Contents]


@dataclass(frozen=True, slots=True)
class Publication:
    """A change that is public from a connection of a run on (counted from 0), and from a time on.

    By connection it is the same for phones with different clocks: their k-th polls find the same.
    """

    name: str
    change: Change
    connection: int = 0
    at: float = 0.0


def release(permille: int) -> Change:
    """Make the change that releases the next build to so many of a thousand phones."""
    return lambda was: replace(
        was, newest=was.newest + 1, schedule=((0, permille),), paused=False, halted=False
    )


def widen(permille: int) -> Change:
    """Make the change that lets so many of a thousand phones in."""
    return lambda was: replace(was, schedule=((0, permille),), paused=False)


def pause(was: Contents) -> Contents:
    """Pause the rollout."""
    return replace(was, paused=True)


def halt(was: Contents) -> Contents:
    """Halt the rollout."""
    return replace(was, halted=True)


def renew_root(was: Contents) -> Contents:
    """Publish another root."""
    return replace(was, root=was.root + 1)


def renew_tables(was: Contents) -> Contents:
    """Publish other tables."""
    return replace(was, tables=was.tables + 1)


def renew_content(was: Contents) -> Contents:
    """Publish other content."""
    return replace(was, content=was.content + 1)


def rotate(role: str) -> Change:
    """Make the change that replaces the key of one of `ONLINE`."""
    return lambda was: replace(was, rotated=(*was.rotated, role))


def split(parts: int) -> Change:
    """Make the change that splits `latest` into 4 or 16 parts, for good."""
    return lambda was: replace(was, parts=parts)


def mark(kind: str, role: str, state: str) -> Change:
    """Make the change that says something of the pack of a kind that there is."""
    return lambda was: replace(was, packs=(*was.packs, (kind, was.edition(role), state)))


def keep(was: Contents) -> Contents:
    """Change nothing."""
    return was


CHANGES: Final[tuple[tuple[str, Change], ...]] = (
    ("nothing", keep),
    ("a release for a few", release(50)),
    ("a paused rollout", pause),
    ("a release for half", release(500)),
    ("a rollout to all", widen(1000)),
    ("a halted rollout", halt),
    ("a release for all", release(1000)),
    ("other tables", renew_tables),
    ("other content", renew_content),
    ("another root", renew_root),
    *((f"another key of {role}", rotate(role)) for role in ONLINE),
)
"""All that can happen to a repository, each once."""

SPLITS: Final[tuple[tuple[str, Change], ...]] = (
    ("a latest in 4 parts", split(4)),
    ("a release for half", release(500)),
    ("another key of latest", rotate("latest")),
    ("a latest in 16 parts", split(16)),
    ("a rollout to all", widen(1000)),
    ("a release for all", release(1000)),
)
"""What may happen where an operator asks for a split: phones of two parts are two crowds then."""


def one_by_one(changes: tuple[tuple[str, Change], ...] = CHANGES) -> tuple[Publication, ...]:
    """Make the history in which a change becomes public before each poll but the first."""
    return tuple(
        Publication(name, change, connection=place)
        for place, (name, change) in enumerate(changes, 1)
    )
