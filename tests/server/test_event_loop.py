"""The detector of blocking calls on the loop works."""

import asyncio

import pytest
from blockbuster import BlockingError

from server.storage.bounded import read_bounded


async def test_a_planted_blocking_call_is_found(tmp_path):
    """Reading a file from a coroutine without a thread raises."""
    (tmp_path / "file").write_bytes(b"octets")
    with pytest.raises(BlockingError):
        read_bounded(tmp_path / "file", 10)
    assert await asyncio.to_thread(read_bounded, tmp_path / "file", 10) == b"octets"
