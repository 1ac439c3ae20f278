"""TLS key logs in the format that NSS began: which connections they have keys of."""

import re
from typing import Final

KEY_LOG_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a key log: tens of thousands of connections."""

_LINE: Final = re.compile(
    rb"^(?:CLIENT|SERVER|EXPORTER|EARLY)_[A-Z_0-9]+ ([0-9a-fA-F]{64}) ", re.MULTILINE
)


def list_randoms(data: bytes) -> frozenset[bytes]:
    """Return the randoms of the ClientHellos that a key log has keys for."""
    return frozenset(bytes.fromhex(match[1].decode()) for match in _LINE.finditer(data))
