"""A package as aligned blocks, which come one after the other."""

from typing import Protocol


class Blocks(Protocol):
    """The blocks of a package of `length` bytes; all have `size` bytes but the last one."""

    @property
    def length(self) -> int: ...  # noqa: D102 - an attribute, described above
    @property
    def size(self) -> int: ...  # noqa: D102 - the same

    def read(self, index: int) -> bytes:
        """Return the whole block number `index`, counted from 0."""
        ...
