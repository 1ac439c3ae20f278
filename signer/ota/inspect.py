"""Inspects an OTA package: everything it says is compared with its bytes."""

from collections import Counter
from pathlib import Path
from typing import BinaryIO

from signer.ota.certificate import Certificate, decode_certificate
from signer.ota.container import Container, load_entry
from signer.ota.errors import ContainerError, SignatureError
from signer.ota.facts import OtaFacts, PartitionFacts, Signed
from signer.ota.hashing import Progress
from signer.ota.metadata import PROPERTY_FILES, STREAMING_PROPERTY_FILES
from signer.ota.package import MAX_OTHER, OTACERT, Package, load_package
from signer.ota.package_hashes import PackageHashes, load_hashes
from signer.ota.payload import load_payload_signature
from signer.ota.signatures import verify_signatures
from signer.ota.whole_file import verify_cms


def inspect_ota(
    path: Path,
    *,
    certificate: bytes | None = None,
    codename: str | None = None,
    progress: Progress | None = None,
) -> OtaFacts:
    """Check everything about an OTA package and return its facts; the file is only read, once.

    With `certificate` (PEM or DER) the package must be signed for it: metadata, payload and whole
    file. With `codename` it must be for that device. `progress` is called with bytes read and
    bytes in all. Raises OtaError, whose message is one sentence; OSError where the disk fails.
    """
    wanted = None if certificate is None else decode_certificate(certificate)
    # A pipe or a device has no end to read from, and opening a pipe waits for its writer.
    if path.exists() and not path.is_file():
        raise ContainerError(f"{path} is no regular file; give the OTA zip itself.")
    with path.open("rb") as stream:
        length = stream.seek(0, 2)
        package = load_package(stream, length, codename)
        hashes = load_hashes(stream, package, progress)
        if wanted is not None:
            _verify(stream, package, hashes, wanted)
    signed = Signed(payload=wanted is not None, whole_file=wanted is not None)
    return _facts(path, package, hashes.file.hex(), signed)


def _check_otacert(stream: BinaryIO, container: Container, certificate: Certificate) -> None:
    if OTACERT in container.entries:
        enclosed = decode_certificate(load_entry(stream, container.entries[OTACERT], MAX_OTHER))
        if enclosed.der != certificate.der:
            raise SignatureError("The package's otacert is another certificate than the given one.")


def _verify(
    stream: BinaryIO, package: Package, hashes: PackageHashes, certificate: Certificate
) -> None:
    payload, signed_file = package.payload, package.signed_file
    _check_otacert(stream, package.container, certificate)
    verify_signatures(
        payload.metadata_signature, payload.metadata_hash, certificate, "metadata signature"
    )
    signature = load_payload_signature(stream, payload)
    verify_signatures(signature, hashes.signed_payload, certificate, "payload signature")
    if signed_file is None:
        raise SignatureError("The package has no whole-file signature.")
    verify_cms(signed_file.cms, hashes.signed_file, certificate)


def _facts(path: Path, package: Package, sha256: str, signed: Signed) -> OtaFacts:
    metadata, manifest = package.metadata, package.payload.manifest
    values = package.properties.values
    return OtaFacts(
        path=path,
        length=package.container.length,
        sha256=sha256,
        ota_type="AB",
        devices=metadata.devices,
        type="incremental" if manifest.is_delta else "full",
        fingerprint=metadata.fingerprint,
        incremental=metadata.incremental,
        source_builds=metadata.source_builds,
        source_incrementals=metadata.source_incrementals,
        post_timestamp=metadata.post_timestamp,
        sdk_level=metadata.sdk_level,
        security_patch_level=metadata.security_patch_level,
        wipe=metadata.wipe or values.get("POWERWASH", "0") != "0",
        downgrade=metadata.downgrade,
        spl_downgrade=metadata.spl_downgrade or values.get("SPL_DOWNGRADE", "0") != "0",
        partial=manifest.partial_update,
        property_files=metadata.property_files[PROPERTY_FILES],
        streaming_property_files=metadata.property_files.get(STREAMING_PROPERTY_FILES, ""),
        payload_properties=values,
        partitions=tuple(
            PartitionFacts(
                each.name,
                each.new.size,
                each.new.digest.hex(),
                dict(Counter(operation.name for operation in each.operations)),
            )
            for each in manifest.partitions
            if each.new is not None
        ),
        minor_version=manifest.minor_version,
        block_size=manifest.block_size,
        signed=signed,
    )
