"""A package on its way, block by block."""

import hashlib

import pytest

from client_sim.device.choose import Offer
from client_sim.fleet.answers import Head
from client_sim.fleet.call import Load
from client_sim.transport import BLOCK

PACKAGE = bytes(range(251)) * 40_000  # 10,040,000 bytes: two blocks


def make_offer(package=PACKAGE):
    """Offer a package as a pointer does."""
    digest = hashlib.sha256(package).hexdigest()
    path = "armani/id/stable/a.zip"
    return Offer(path, len(package), digest, "full", 2, 1, "2026-01-05", 0, (), 2)


def test_blocks_are_asked_for_in_order_and_hashed():
    """Two aligned ranges, the second one shorter; the hash is that of all bytes."""
    load, data = Load(make_offer()), []
    while not load.is_whole:
        data.append(load.request("h"))
        first = load.first
        load.add(PACKAGE[first : first + BLOCK])
        assert not load.left
    assert load.is_right()
    ranges = [line.split(b"Range: bytes=")[1].split(b"\r\n")[0] for line in data]
    assert ranges == [b"0-8388607", b"8388608-10039999"]


def test_a_block_that_broke_off_is_fetched_again_whole():
    """Its first bytes are not in the hash: a block is kept only when whole (FORMATS section 9)."""
    load = Load(make_offer())
    load.request("h")
    load.add(b"\xff" * 1000)
    assert load.left == BLOCK - 1000
    load.request("h")
    assert not load.begin(Head(206, BLOCK, content_range=b"bytes 0-8388607/10040000"))
    load.add(PACKAGE[:BLOCK])
    load.request("h")
    load.add(PACKAGE[BLOCK:])
    assert load.is_right()


def test_more_bytes_than_the_block_has_are_an_error():
    """Nobody asked for them."""
    load = Load(make_offer(b"abc"))
    load.request("h")
    with pytest.raises(ValueError, match="more bytes than the block has"):
        load.add(b"abcd")
