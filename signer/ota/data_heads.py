"""Checks how the data of an operation begin: another compressor's show it without unpacking.

AOSP's update_engine and the phone of docs/FORMATS.md refuse such data, but only after the download.
"""

import re

from signer.ota.extents import count_blocks
from signer.ota.operation import Operation

HEAD = 48  # bytes: an xz stream's header, and its first block's up to the last filter
_BLOCK = 4096
_REPLACE_BZ, _SOURCE_BSDIFF, _REPLACE_XZ, _BROTLI_BSDIFF = 1, 5, 8, 10
_BZIP2 = re.compile(rb"BZh[1-9]")
_XZ_MAGIC, _XZ_HEADER = b"\xfd7zXZ\0", 12
_NO_CHECK, _CRC32 = 0, 1
_LZMA2, _BRANCHES = 0x21, {0x04, 0x07, 0x08}  # the latter of x86, ARM and ARM-Thumb
_PATCH_HEADER, _STREAMS = 32, {0, 1, 2}


def find_fault(operation: Operation, head: bytes) -> str:
    """Return what is wrong with the first `HEAD` bytes of an operation's data, or nothing.

    `head` has all the data if there are fewer. Types whose data have no form have no fault.
    """
    if operation.type == _REPLACE_BZ and not _BZIP2.match(head):
        return "is no bzip2 stream"
    if operation.type == _REPLACE_XZ:
        return _xz_fault(head)
    if operation.type in {_SOURCE_BSDIFF, _BROTLI_BSDIFF}:
        return _patch_fault(head, _BLOCK * count_blocks(operation.targets))
    return ""


def _xz_fault(head: bytes) -> str:
    if head[:7] != _XZ_MAGIC + b"\0" or len(head) < _XZ_HEADER:
        return "is no xz stream"
    if head[7] not in {_NO_CHECK, _CRC32}:
        return "is an xz stream with another check than CRC32"
    block = head[_XZ_HEADER:]
    try:
        # A stream without a block has its index here; that it is too short an installation tells.
        knows = block[0] == 0 or _has_known_filters(block)
    except IndexError:
        return "is no xz stream"
    return "" if knows else "is an xz stream with another filter than LZMA2 and a known branch's"


def _has_known_filters(block: bytes) -> bool:
    flags, at = block[1], 2
    for has_size in (0x40, 0x80):
        if flags & has_size:
            while block[at] >= 0x80:
                at += 1
            at += 1
    count = (flags & 3) + 1
    if count == 2 and block[at] in _BRANCHES and block[at + 1] == 0:
        count, at = 1, at + 2
    return count == 1 and block[at] == _LZMA2


def _patch_fault(head: bytes, size: int) -> str:
    is_known = head[:8] == b"BSDIFF40" or (
        head[:5] == b"BSDF2" and all(each in _STREAMS for each in head[5:8])
    )
    if not is_known or len(head) < _PATCH_HEADER:
        return "is no patch of the forms BSDIFF40 and BSDF2"
    # The top bit is the sign, so that a negative length is none of these either.
    if int.from_bytes(head[24:32], "little") != size:
        return f"is a patch of another length than the {size} bytes that it makes"
    return ""
