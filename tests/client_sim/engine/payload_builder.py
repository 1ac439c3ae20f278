"""A writer of CrAU payloads, made from the format's description and not from the engine."""

import bz2
import hashlib
import lzma
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import brotli
from bsdiff4 import core
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from fixtures.bsdiff_writer import encode_offset
from fixtures.protobuf_writer import bytes_field, fixed32_field, varint_field

BLOCK = 4096
REPLACE, REPLACE_BZ, MOVE, BSDIFF, SOURCE_COPY, SOURCE_BSDIFF, ZERO, DISCARD = range(8)
REPLACE_XZ, PUFFDIFF, BROTLI_BSDIFF, ZUCCHINI, LZ4DIFF_BSDIFF, LZ4DIFF_PUFFDIFF = range(8, 14)

Blocks = tuple[tuple[int, int], ...]


def field(number: int, value: int | bytes | str | None) -> bytes:
    """Encode a varint field or a length-delimited field; None is an absent field."""
    if value is None:
        return b""
    return varint_field(number, value) if isinstance(value, int) else bytes_field(number, value)


@dataclass(frozen=True, kw_only=True)
class Op:
    """An InstallOperation; omitted hashes and the omitted `data_offset` are computed."""

    type: int
    dst: Blocks
    src: Blocks = ()
    data: bytes = b""
    data_sha256: bytes | None = None
    src_sha256: bytes | None = None
    data_offset: int | None = None
    data_length: int | None = None
    src_length: int | None = None
    dst_length: int | None = None

    def encode(self, offset: int) -> bytes:
        """Encode the message for data that lies at `offset`."""
        out = field(1, self.type)
        if self.data or self.data_length is not None:
            out += field(2, offset if self.data_offset is None else self.data_offset)
            out += field(3, len(self.data) if self.data_length is None else self.data_length)
        out += b"".join(field(4, extent(*pair)) for pair in self.src)
        out += field(5, self.src_length)
        out += b"".join(field(6, extent(*pair)) for pair in self.dst)
        out += field(7, self.dst_length)
        if self.data:
            computed = hashlib.sha256(self.data).digest()
            out += field(8, computed if self.data_sha256 is None else self.data_sha256)
        return out + field(9, self.src_sha256)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One PartitionUpdate."""

    name: str
    new: bytes
    ops: tuple[Op, ...]
    old: bytes | None = None
    new_size: int | None = None
    more: bytes = b""

    def encode(self, offset: int) -> bytes:
        """Encode the message for data that starts at `offset`."""
        out = field(1, self.name)
        if self.old is not None:
            out += field(6, image_info(self.old))
        out += field(7, image_info(self.new, self.new_size))
        for op in self.ops:
            out += field(8, op.encode(offset))
            offset += len(op.data)
        return out + self.more

    @property
    def data(self) -> bytes:
        """Return the data of all operations in order."""
        return b"".join(op.data for op in self.ops)


def extent(start: int, count: int) -> bytes:
    """Encode an Extent."""
    return field(1, start) + field(2, count)


def image_info(image: bytes, size: int | None = None) -> bytes:
    """Encode a PartitionInfo."""
    size = len(image) if size is None else size
    return field(1, size) + field(2, hashlib.sha256(image).digest())


def signatures(key: rsa.RSAPrivateKey, covered: bytes) -> bytes:
    """Encode a Signatures message with one signature."""
    signature = key.sign(covered, padding.PKCS1v15(), hashes.SHA256())
    return field(1, field(2, signature) + fixed32_field(3, len(signature)))


def build_payload(
    parts: Sequence[Part],
    *,
    minor: int = 0,
    key: rsa.RSAPrivateKey | None = None,
    more: bytes = b"",
    block_size: int | None = BLOCK,
    manifest: Callable[[bytes], bytes] = lambda encoded: encoded,
) -> bytes:
    """Write a payload, signed if a key is given; `more` is appended to the manifest."""
    blobs = b"".join(part.data for part in parts)
    signature_size = len(signatures(key, b"")) if key else 0
    encoded = field(3, block_size)
    if key:
        encoded += field(4, len(blobs)) + field(5, signature_size)
    encoded += field(12, minor)
    offset = 0
    for part in parts:
        encoded += field(13, part.encode(offset))
        offset += len(part.data)
    encoded = manifest(encoded + more)
    head = b"CrAU" + struct.pack(">QQI", 2, len(encoded), signature_size) + encoded
    if key is None:
        return head + blobs
    return head + signatures(key, head) + blobs + signatures(key, head + blobs)


def full_part(name: str, new: bytes) -> Part:
    """Make a partition of a full payload with REPLACE, REPLACE_BZ and REPLACE_XZ in turn."""
    ops = []
    for block in range(len(new) // BLOCK):
        data = new[block * BLOCK : (block + 1) * BLOCK]
        kind = (REPLACE, REPLACE_BZ, REPLACE_XZ)[block % 3]
        ops.append(Op(type=kind, dst=((block, 1),), data=compress(kind, data)))
    return Part(name=name, new=new, ops=tuple(ops))


def compress(kind: int, data: bytes) -> bytes:
    """Compress data as the REPLACE operation `kind` needs it."""
    if kind == REPLACE_BZ:
        return bz2.compress(data)
    if kind == REPLACE_XZ:
        return lzma.compress(data, check=lzma.CHECK_CRC32, preset=0)
    return data


def bsdf2(old: bytes, new: bytes, kinds: bytes = b"\2\2\2") -> bytes:
    """Write an AOSP BSDF2 patch whose three streams are compressed as `kinds` says."""
    triples, diff, extra = core.diff(old, new)
    return bsdf2_streams(triples, diff, extra, len(new), kinds)


def bsdf2_streams(
    control: bytes, diff: bytes, extra: bytes, size: int, kinds: bytes = b"\0\0\0"
) -> bytes:
    """Write a BSDF2 patch from its streams."""
    codecs = {0: bytes, 1: bz2.compress, 2: brotli.compress}
    streams = [
        codecs[kind](stream) for kind, stream in zip(kinds, (control, diff, extra), strict=True)
    ]
    numbers = (len(streams[0]), len(streams[1]), size)
    header = b"BSDF2" + kinds + b"".join(encode_offset(number) for number in numbers)
    return header + b"".join(streams)
