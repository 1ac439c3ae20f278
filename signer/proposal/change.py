"""What somebody wants to have signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import Root, Targets


@dataclass(frozen=True, slots=True)
class Package:
    """A file that a change lists anew: where it lies, its length in octets and its sha256."""

    path: Path
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Change:
    """The next version of each role that changes, unsigned, and the packages that go with them."""

    roles: Mapping[str, Root | Targets]
    packages: tuple[Package, ...] = ()
