"""The contents of a repository, without versions, times and signatures, and their changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

ONLINE: Final = ("snapshot", "timestamp", "latest", "log")
"""The roles with online keys, which can be rotated in a run."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The public contents: builds 1 to `newest` of every model, in every region and channel.

    - `schedule` (pairs of epoch seconds and permille), `paused` and `halted` describe the rollout
      of the newest build.
    - `rotated` contains a role once for each rotation of its key.
    - `root`, `tables` and `content` count editions.
    - `parts` is the number of parts of `latest`: 0, 4 or 16.
    - `packs` lists (kind, edition, state) of packs with a state: `withdrawn`, `bad`, `turned back`,
      `timed`, `ended`, `to come`, `for nobody`, `for all`.
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
        """Return the states of an edition of a kind, in the order in which they were set."""
        return tuple(state for *pack, state in self.packs if pack == [kind, edition])


Change = Callable[[Contents], Contents]


@dataclass(frozen=True, slots=True)
class Publication:
    """A change that becomes public at a connection of a run (counted from 0) and at a time.

    A change by connection is the same for phones with different clocks: their n-th polls find the
    same contents.
    """

    name: str
    change: Change
    connection: int = 0
    at: float = 0.0


def release(permille: int) -> Change:
    """Return a change that releases the next build to `permille` of the phones."""
    return lambda contents: replace(
        contents, newest=contents.newest + 1, schedule=((0, permille),), paused=False, halted=False
    )


def widen(permille: int) -> Change:
    """Return a change that extends the rollout to `permille` of the phones."""
    return lambda contents: replace(contents, schedule=((0, permille),), paused=False)


def pause(contents: Contents) -> Contents:
    """Pause the rollout."""
    return replace(contents, paused=True)


def halt(contents: Contents) -> Contents:
    """Halt the rollout."""
    return replace(contents, halted=True)


def renew_root(contents: Contents) -> Contents:
    """Publish a new root."""
    return replace(contents, root=contents.root + 1)


def renew_tables(contents: Contents) -> Contents:
    """Publish new tables."""
    return replace(contents, tables=contents.tables + 1)


def renew_content(contents: Contents) -> Contents:
    """Publish new content."""
    return replace(contents, content=contents.content + 1)


def rotate(role: str) -> Change:
    """Return a change that rotates the key of one of `ONLINE`."""
    return lambda contents: replace(contents, rotated=(*contents.rotated, role))


def split(parts: int) -> Change:
    """Return a change that splits `latest` into 4 or 16 parts, permanently."""
    return lambda contents: replace(contents, parts=parts)


def set_state(kind: str, role: str, state: str) -> Change:
    """Return a change that sets a state of the current pack of a kind."""
    return lambda contents: replace(
        contents, packs=(*contents.packs, (kind, contents.edition(role), state))
    )


def unchanged(contents: Contents) -> Contents:
    """Change nothing."""
    return contents


CHANGES: Final[tuple[tuple[str, Change], ...]] = (
    ("nothing", unchanged),
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
"""All kinds of changes of a repository, each once."""

SPLITS: Final[tuple[tuple[str, Change], ...]] = (
    ("a latest in 4 parts", split(4)),
    ("a release for half", release(500)),
    ("another key of latest", rotate("latest")),
    ("a latest in 16 parts", split(16)),
    ("a rollout to all", widen(1000)),
    ("a release for all", release(1000)),
)
"""Changes with a split of `latest`, after which the phones of each part are one crowd."""


def one_by_one(changes: tuple[tuple[str, Change], ...] = CHANGES) -> tuple[Publication, ...]:
    """Return a history in which one change is published before each poll except the first."""
    return tuple(
        Publication(name, change, connection=place)
        for place, (name, change) in enumerate(changes, 1)
    )
