"""Describes one step of a payload."""

from dataclasses import dataclass

from signer.ota.extents import Extent
from signer.ota.operations import OPERATION_TYPES, operation_name


# Not frozen, which would double the time that making one takes; there can be 200,000 of them.
@dataclass(slots=True)
class Operation:
    """One step that writes `targets`; `data` is `data_length` bytes at `data_offset` of the blobs.

    The hashes are 32 bytes, or empty when absent; `source_length` and `target_length` are None
    when the manifest leaves them out.
    """

    type: int
    data_offset: int
    data_length: int
    sources: tuple[Extent, ...]
    targets: tuple[Extent, ...]
    data_hash: bytes
    source_hash: bytes
    source_length: int | None
    target_length: int | None

    @property
    def name(self) -> str:
        """The type's name, for people."""
        return operation_name(self.type)

    @property
    def is_known(self) -> bool:
        """Whether this version knows what the operation does."""
        return self.type in OPERATION_TYPES
