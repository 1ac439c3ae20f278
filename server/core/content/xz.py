"""One xz stream of one block, encoded and decoded within fixed limits of octets and memory.

Source: docs/FORMATS.md section 15, Part; the xz file format 1.2.
"""

import lzma

from server.core.errors import FormatError

ENCODED_LIMIT = 262_144
DECODED_LIMIT = 2_097_152
_MEMORY = 16 * 1024 * 1024
_DICTIONARY_BITS = 22  # 8 MiB in the property octet of LZMA2
_LZMA2 = 0x21


def encode_xz(data: bytes) -> bytes:
    """Return `data` in one stream with check CRC32, by preset 6; FormatError beyond the limits."""
    if not 1 <= len(data) <= DECODED_LIMIT:
        raise FormatError(f"{len(data)} octets are not 1 to {DECODED_LIMIT}: make it smaller.")
    encoded = lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)
    if len(encoded) > ENCODED_LIMIT:
        raise FormatError(f"{len(encoded)} octets in xz are over {ENCODED_LIMIT}: make it smaller.")
    return encoded


def decode_xz(data: bytes) -> bytes:
    """Return what the one stream of `data` holds; FormatError for all else that xz could be."""
    if len(data) > ENCODED_LIMIT:
        raise FormatError(f"an xz file of {len(data)} octets is over {ENCODED_LIMIT}.")
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    try:
        decoded = decoder.decompress(data, DECODED_LIMIT + 1)
    except (lzma.LZMAError, MemoryError) as error:
        raise FormatError(f"an xz file cannot be decoded: {error}.") from error
    if not 1 <= len(decoded) <= DECODED_LIMIT:
        raise FormatError(f"an xz file holds nothing, or more than {DECODED_LIMIT} octets.")
    if not decoder.eof:
        raise FormatError("an xz file ends before its stream does.")
    if decoder.unused_data:
        raise FormatError("an xz file goes on behind its stream.")
    if decoder.check != lzma.CHECK_CRC32:
        raise FormatError("an xz file has another check than CRC32.")
    _check_layout(data)
    return decoded


def _check_layout(data: bytes) -> None:
    """Refuse several blocks, other filters and large dictionaries. The decoder read `data` well."""
    backward = 4 * (int.from_bytes(data[-8:-4], "little") + 1)
    if data[-12 - backward :][:2] != b"\0\1":  # the index: its mark, and the number of records
        raise FormatError("an xz file has not exactly one block.")
    flags, at = data[13], 14
    for flag in (0x40, 0x80):  # lengths that may stand in front of the filters
        if flags & flag:
            while data[at] & 0x80:
                at += 1
            at += 1
    if flags & 3 or data[at] != _LZMA2 or data[at + 2] > _DICTIONARY_BITS:
        raise FormatError("an xz file is not of LZMA2 alone with at most 8 MiB of dictionary.")
