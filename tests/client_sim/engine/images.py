"""A small old and new image, and a delta between them with all eight operations."""

import hashlib

import bsdiff4

from tests.client_sim.engine.payload_builder import (
    BLOCK,
    BROTLI_BSDIFF,
    DISCARD,
    REPLACE,
    REPLACE_BZ,
    REPLACE_XZ,
    SOURCE_BSDIFF,
    SOURCE_COPY,
    ZERO,
    Op,
    Part,
    bsdf2,
    compress,
)


def noise(seed: int, blocks: int) -> bytes:
    """Make blocks that do not compress, the same for the same seed."""
    return hashlib.shake_256(seed.to_bytes(4, "big")).digest(blocks * BLOCK)


def edited(data: bytes) -> bytes:
    """Change a few bytes far apart, as a new build of the same file does."""
    out = bytearray(data)
    out[100] ^= 0x55
    out[len(out) // 2 : len(out) // 2 + 9] = b"brand new"
    return bytes(out)


OLD = noise(1, 8)
_PATCHED = edited(OLD[: 2 * BLOCK])
_BROTLIED = edited(OLD[2 * BLOCK : 5 * BLOCK])
# A block of zeros inside written data, which must stay a hole.
_REPLACED = noise(2, 1) + bytes(BLOCK) + noise(3, 1)
NEW = (
    OLD[7 * BLOCK :]  # 0: copied
    + _PATCHED  # 1-2
    + bytes(2 * BLOCK)  # 3-4: zero
    + _REPLACED  # 5-7
    + _BROTLIED  # 8-10
    + OLD[5 * BLOCK : 6 * BLOCK]  # 11: copied, in the operation of block 0
    + noise(4, 1)  # 12
    + noise(5, 1)  # 13
    + bytes(BLOCK)  # 14: discarded
)


def delta_part(name: str = "system") -> Part:
    """Make the partition update from OLD to NEW."""
    copied = hashlib.sha256(OLD[7 * BLOCK :] + OLD[5 * BLOCK : 6 * BLOCK]).digest()
    patch_source = OLD[: 2 * BLOCK]
    brotli_source = OLD[2 * BLOCK : 5 * BLOCK]
    return Part(
        name=name,
        new=NEW,
        old=OLD,
        ops=(
            Op(type=SOURCE_COPY, src=((7, 1), (5, 1)), dst=((0, 1), (11, 1)), src_sha256=copied),
            Op(
                type=SOURCE_BSDIFF,
                src=((0, 2),),
                dst=((1, 2),),
                src_length=2 * BLOCK,
                dst_length=2 * BLOCK,
                data=bsdiff4.diff(patch_source, _PATCHED),
                src_sha256=hashlib.sha256(patch_source).digest(),
            ),
            Op(type=ZERO, dst=((3, 2),)),
            Op(type=REPLACE, dst=((5, 3),), data=_REPLACED),
            Op(
                type=BROTLI_BSDIFF,
                src=((2, 1), (3, 2)),
                dst=((8, 3),),
                data=bsdf2(brotli_source, _BROTLIED),
                src_sha256=hashlib.sha256(brotli_source).digest(),
            ),
            Op(type=REPLACE_BZ, dst=((12, 1),), data=compress(REPLACE_BZ, noise(4, 1))),
            Op(type=REPLACE_XZ, dst=((13, 1),), data=compress(REPLACE_XZ, noise(5, 1))),
            Op(type=DISCARD, dst=((14, 1),)),
        ),
    )
