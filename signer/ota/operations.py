"""Names the operation types of a payload and the minor version that first allows each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OperationType:
    """A type: its number on the wire, its name, the first minor version of deltas that has it."""

    number: int
    name: str
    since: int
    reads_source: bool
    has_data: bool


_ALL = (
    OperationType(0, "REPLACE", 0, reads_source=False, has_data=True),
    OperationType(1, "REPLACE_BZ", 0, reads_source=False, has_data=True),
    OperationType(2, "MOVE", 1, reads_source=True, has_data=False),
    OperationType(3, "BSDIFF", 1, reads_source=True, has_data=True),
    OperationType(4, "SOURCE_COPY", 2, reads_source=True, has_data=False),
    OperationType(5, "SOURCE_BSDIFF", 2, reads_source=True, has_data=True),
    OperationType(6, "ZERO", 4, reads_source=False, has_data=False),
    OperationType(7, "DISCARD", 4, reads_source=False, has_data=False),
    OperationType(8, "REPLACE_XZ", 0, reads_source=False, has_data=True),
    OperationType(9, "PUFFDIFF", 5, reads_source=True, has_data=True),
    OperationType(10, "BROTLI_BSDIFF", 4, reads_source=True, has_data=True),
    OperationType(11, "ZUCCHINI", 8, reads_source=True, has_data=True),
    OperationType(12, "LZ4DIFF_BSDIFF", 9, reads_source=True, has_data=True),
    OperationType(13, "LZ4DIFF_PUFFDIFF", 9, reads_source=True, has_data=True),
)
OPERATION_TYPES = {each.number: each for each in _ALL}
# What the phone of docs/FORMATS.md does not do and others may; so are hash trees (`verity`).
OPTIONAL_NAMES = frozenset({"PUFFDIFF", "ZUCCHINI", "LZ4DIFF_BSDIFF", "LZ4DIFF_PUFFDIFF"})
VERITY = "verity"
FULL_TYPES = frozenset({"REPLACE", "REPLACE_BZ", "REPLACE_XZ"})
# In-place updates of devices without slots; no A/B device applies them.
IN_PLACE_TYPES = frozenset({"MOVE", "BSDIFF"})
# The newest minor version whose rules are known here; a newer one is named and not understood.
MAX_MINOR_VERSION = 9
# From here on each operation that reads the source says which bytes it expects there.
SOURCE_HASH_MINOR_VERSION = 3


def operation_name(number: int) -> str:
    """Return the type's name, or `unknown-N` when it has none here."""
    known = OPERATION_TYPES.get(number)
    return known.name if known else f"unknown-{number}"
