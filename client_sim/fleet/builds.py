"""Generated builds for a fleet's own server: partitions, payloads and small signed OTA zips."""

import base64
import hashlib
import io
import lzma
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from client_sim.engine.manifest import OperationType
from client_sim.world import BuildFacts

BLOCK: Final = 4096
"""Bytes of a block; the size of a partition is a multiple."""

SDK_LEVEL: Final = 34
_OVERHEAD: Final = 4096  # approximate bytes of a package besides its images


@dataclass(frozen=True, slots=True)
class GeneratedBuild:
    """A build of `codename` with `images` by partition; `system` does not compress, `boot` does."""

    codename: str
    facts: BuildFacts
    images: Mapping[str, bytes]


def make_build(codename: str, counter: int, timestamp: int, size: int) -> GeneratedBuild:
    """Return build `counter` of a model, made at epoch second `timestamp`.

    Its package has about `size` bytes, but contains at least one block of `system`.
    """
    facts = BuildFacts(
        fingerprint=f"Hening/{codename}/{codename}:14/FLEET/{counter}:user/release-keys",
        incremental=str(counter),
        counter=counter,
        post_timestamp=timestamp,
        security_patch_level=f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-05}",
    )
    seed = f"hening fleet build {codename} {counter}".encode()
    blocks = max(1, (size - _OVERHEAD) // BLOCK)
    text = f"{facts.fingerprint}\n".encode()
    images = {
        "boot": (text * (2 * BLOCK // len(text) + 1))[: 2 * BLOCK],
        "system": hashlib.shake_256(seed).digest(blocks * BLOCK),
    }
    return GeneratedBuild(codename, facts, images)


def write_images(builds: Iterable[GeneratedBuild], folder: Path) -> dict[str, dict[str, Path]]:
    """Write the partitions of all builds into a new folder.

    Return the files by fingerprint and partition.
    """
    written: dict[str, dict[str, Path]] = {}
    for build in builds:
        place = folder / f"{build.codename}-{build.facts.counter}"
        place.mkdir(parents=True)
        files = {name: place / f"{name}.img" for name in build.images}
        for name, file in files.items():
            file.write_bytes(build.images[name])
        written[build.facts.fingerprint] = files
    return written


_BITS: Final = 2048
_CERTIFICATE_LIFETIME: Final = timedelta(days=365)
_TEXT: Final = b"signed by SignApk\0"  # as AOSP writes it
_OPTIONS: Final = (
    pkcs7.PKCS7Options.DetachedSignature,
    pkcs7.PKCS7Options.Binary,
    pkcs7.PKCS7Options.NoAttributes,
)


class PackageSigner:
    """A new key and its certificate, valid from `now`, epoch seconds."""

    def __init__(self, now: float) -> None:
        self._key = rsa.generate_private_key(65537, _BITS)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hening fleet")])
        begin = datetime.fromtimestamp(now, UTC)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), 1)
        builder = builder.not_valid_before(begin).not_valid_after(begin + _CERTIFICATE_LIFETIME)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.certificate = self._certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, data: bytes) -> bytes:
        """Return an RSA signature of `data`."""
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def sign_zip(self, archive: bytes) -> bytes:
        """Return `archive`, a zip without comment, with the whole-file signature as its comment."""
        signed = archive[:-2]
        builder = pkcs7.PKCS7SignatureBuilder().set_data(signed)
        builder = builder.add_signer(self._certificate, self._key, hashes.SHA256())
        message = builder.sign(serialization.Encoding.DER, list(_OPTIONS))
        length = (len(_TEXT) + len(message) + 6).to_bytes(2, "little")
        footer = (len(message) + 6).to_bytes(2, "little") + b"\xff\xff" + length
        return signed + length + _TEXT + message + footer


_VARINT: Final = 0
_BYTES: Final = 2
_FIXED32: Final = 5
_RUN: Final = 64  # maximum blocks that one operation writes


@dataclass(frozen=True, slots=True)
class GeneratedPayload:
    """A payload, and the values of `payload_properties.txt`.

    `metadata_size` is the number of bytes of header, manifest and metadata signature.
    """

    data: bytes
    metadata_size: int
    properties: Mapping[str, str]


def make_payload(build: GeneratedBuild, signer: PackageSigner) -> GeneratedPayload:
    """Make and sign a full payload with all partitions of `build`."""
    updates, data = b"", b""
    for name, image in build.images.items():
        facts = _number(1, len(image)) + _field(2, hashlib.sha256(image).digest())
        fields = _field(1, name.encode()) + _field(7, facts)
        for first in range(0, len(image) // BLOCK, _RUN):
            operation, content = _replace(image, first, len(data))
            fields += _field(8, operation)
            data += content
        updates += _field(13, fields)
    room = len(_wrap(signer.sign(b"")))
    manifest = _number(3, BLOCK) + _number(4, len(data)) + _number(5, room) + _number(12, 0)
    manifest += updates + _number(14, build.facts.post_timestamp)
    manifest += _field(18, build.facts.security_patch_level.encode())
    metadata = struct.pack(">4sQQL", b"CrAU", 2, len(manifest), room) + manifest
    content = metadata + _wrap(signer.sign(metadata)) + data + _wrap(signer.sign(metadata + data))
    properties = {
        "FILE_HASH": _hash(content),
        "FILE_SIZE": str(len(content)),
        "METADATA_HASH": _hash(metadata),
        "METADATA_SIZE": str(len(metadata)),
    }
    return GeneratedPayload(content, len(metadata) + room, properties)


def _replace(image: bytes, first: int, offset: int) -> tuple[bytes, bytes]:
    """Return the operation that writes blocks from `first` on, and its data at `offset`."""
    blocks = min(_RUN, len(image) // BLOCK - first)
    plain = image[first * BLOCK : (first + blocks) * BLOCK]
    packed = lzma.compress(plain, lzma.FORMAT_XZ, lzma.CHECK_CRC32)
    is_smaller = len(packed) < len(plain)
    kind = OperationType.REPLACE_XZ if is_smaller else OperationType.REPLACE
    data = packed if is_smaller else plain
    fields = _number(1, kind) + _number(2, offset) + _number(3, len(data))
    fields += _field(6, _number(1, first) + _number(2, blocks))
    return fields + _field(8, hashlib.sha256(data).digest()), data


def _wrap(signature: bytes) -> bytes:
    """Return a `Signatures` message with one signature."""
    size = _varint(3 << 3 | _FIXED32) + len(signature).to_bytes(4, "little")
    return _field(1, _field(2, signature) + size)


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def _hash(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


_DATE: Final = (2009, 1, 1, 0, 0, 0)  # fixed, so that packages do not depend on the clock
_HEADER: Final = 30  # bytes of a local header before the name
_METADATA: Final = "META-INF/com/android/metadata"


@dataclass(frozen=True, slots=True)
class GeneratedPackage:
    """A package, and the members of its release (FORMATS section 3)."""

    data: bytes
    property_files: str
    payload_properties: Mapping[str, str]


def make_package(build: GeneratedBuild, signer: PackageSigner) -> GeneratedPackage:
    """Make and sign the full package of `build`."""
    payload = make_payload(build, signer)
    properties = _lines(payload.properties)
    entries = {
        "META-INF/com/android/otacert": signer.certificate,
        "payload.bin": payload.data,
        "payload_properties.txt": properties,
    }
    facts = _describe(build)
    names = ""
    # The metadata states its own length; repeat until the number of digits no longer changes.
    while True:
        metadata_entry = f"payload_metadata.bin:{_find(names)}:{payload.metadata_size}"
        metadata = _lines(
            {
                **facts,
                "ota-property-files": f"{metadata_entry},{names}",
                "ota-streaming-property-files": names,
            }
        )
        archive, found = _write({**entries, _METADATA: metadata})
        if found == names:
            return GeneratedPackage(signer.sign_zip(archive), names, payload.properties)
        names = found


def _write(entries: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return a zip of stored entries, and the property-files string of all except the first."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data)
        _, *infos = archive.infolist()
    tokens = [
        f"{info.filename.rpartition('/')[2]}:"
        f"{info.header_offset + _HEADER + len(info.filename)}:{info.file_size}"
        for info in infos
    ]
    return file.getvalue(), ",".join(tokens)


def _find(names: str) -> str:
    """Return the offset of the payload, which is the first part in `names`."""
    return ":".join(names.split(":")[1:2])


def _describe(build: GeneratedBuild) -> dict[str, str]:
    facts = build.facts
    return {
        "ota-type": "AB",
        "post-build": facts.fingerprint,
        "post-build-incremental": facts.incremental,
        "post-sdk-level": str(SDK_LEVEL),
        "post-security-patch-level": facts.security_patch_level,
        "post-timestamp": str(facts.post_timestamp),
        "pre-device": build.codename,
    }


def _lines(values: Mapping[str, str]) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in values.items()).encode()
