"""Tests of the detector of blocking calls on the event loop."""

import asyncio

import pytest
from blockbuster import BlockingError

from server.storage.bounded import read_bounded


async def test_blocking_call_is_detected(tmp_path):
    """The detector raises when a coroutine reads a file without a thread."""
    (tmp_path / "file").write_bytes(b"octets")
    with pytest.raises(BlockingError):
        read_bounded(tmp_path / "file", 10)
    assert await asyncio.to_thread(read_bounded, tmp_path / "file", 10) == b"octets"
