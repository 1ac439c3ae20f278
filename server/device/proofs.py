"""The log's proofs and checkpoint, verified as a phone and an auditor verify them.

Source: docs/FORMATS.md section 7. Pure.
"""

from collections.abc import Mapping

from server.core.checkpoint import Checkpoint, decode_checkpoint, decode_proof
from server.core.errors import FormatError, LogError
from server.core.note import VerifierKey
from server.core.tiles import WIDTH, decode_entries, tile_path
from server.core.tlog import leaf_hash, verify_inclusion
from server.device.documents import Document


class Proofs:
    """Verifies what the log's `key` has signed; its entries are in tiles among `documents`."""

    def __init__(self, documents: Mapping[str, Document], key: VerifierKey) -> None:
        self._documents = documents
        self._key = key
        self._checkpoints: dict[bytes, Checkpoint] = {}  # the proofs of a publication share one
        self._entries: dict[int, list[bytes]] = {}

    def is_signed(self, checkpoint: bytes) -> bool:
        """Answer whether the log's key has signed `checkpoint`."""
        try:
            self._checkpoint(checkpoint)
        except (FormatError, LogError):
            return False
        return True

    def is_shown(self, proof: bytes, entry: bytes) -> bool:
        """Answer whether `proof` shows that `entry` is in the log."""
        try:
            found = decode_proof(proof)
            head = self._checkpoint(found.checkpoint)
            verify_inclusion(leaf_hash(entry), found.index, head.size, found.hashes, head.root)
        except (FormatError, LogError):
            return False
        return True

    def read_entry(self, proof: bytes) -> bytes:
        """Return the entry of the log that `proof` points to; empty where there is none."""
        try:
            index, at = divmod(decode_proof(proof).index, WIDTH)
            if index not in self._entries:
                self._entries[index] = self._read_tile(index)
            return self._entries[index][at]
        except (FormatError, IndexError):
            return b""

    def _read_tile(self, index: int) -> list[bytes]:
        """Return the entries of the widest tile: which it is, an altered checkpoint cannot say."""
        for width in range(WIDTH, 0, -1):
            tile = self._documents.get(f"/log/{tile_path('entries', index, width)}")
            if tile is not None:
                return decode_entries(tile.identity.body, width)
        return []

    def _checkpoint(self, note: bytes) -> Checkpoint:
        if note not in self._checkpoints:
            self._checkpoints[note] = decode_checkpoint(note, self._key)
        return self._checkpoints[note]
