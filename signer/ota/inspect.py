"""Inspects an OTA package by comparing every statement in it with its bytes."""

from pathlib import Path
from typing import BinaryIO

from signer.ota.block_package import load_block_hashes, load_block_package
from signer.ota.container import (
    Envelope,
    check_otacert,
    load_container,
    load_envelope,
    verify_whole_file,
)
from signer.ota.errors import (
    METADATA_AGREE,
    NO_SERIAL,
    ONE_ZIP,
    PAYLOAD_SIGNATURE,
    Answered,
    ContainerError,
    ignore,
)
from signer.ota.hashing import Progress
from signer.ota.metadata import BLOCK
from signer.ota.package import load_hashes, load_package, load_signed_hash
from signer.ota.payload import load_payload_signature
from signer.ota.signatures import Certificate, decode_certificate, verify_signatures
from signer.ota.summary import OtaFacts, Signed, summarize, summarize_block


def inspect_ota(
    path: Path,
    *,
    certificate: bytes | None = None,
    codename: str | None = None,
    progress: Progress | None = None,
    answered: Answered = ignore,
) -> OtaFacts:
    """Check everything about an OTA package and return its facts; the file is read once.

    With `certificate` (PEM or DER), the signatures of metadata, payload and whole file must verify
    with it; a block-based package has only the last. With `codename`, the package must be for that
    device. Parts of newer formats that this version does not know are named in the facts, not
    refused. `progress` is called with the bytes read and the total. `answered` is called with each
    question whose answer is yes so far; the checksums of zip entries are checked last. Raises
    OtaError with a one-sentence message and the question whose answer is no, and OSError on a disk
    error.
    """
    expected = None if certificate is None else decode_certificate(certificate)
    # A pipe or a device cannot be read from its end, and opening a pipe blocks until it has a
    # writer.
    if path.exists() and not path.is_file():
        raise ContainerError(f"{path} is not a regular file; give the OTA zip itself.")
    with path.open("rb") as stream:
        container = load_container(stream, stream.seek(0, 2))
        answered(ONE_ZIP)
        envelope = load_envelope(stream, container, codename)
        if envelope.has_metadata_pb:
            answered(METADATA_AGREE)
        answered(NO_SERIAL)
        if expected is not None:
            check_otacert(stream, envelope.container, expected)
        if envelope.metadata.ota_type == BLOCK:
            return _inspect_block(path, stream, envelope, expected, progress, answered)
        package = load_package(stream, envelope, answered, expected)
        hashes = load_hashes(stream, package, progress, is_verified=expected is not None)
        if expected is not None:
            signature = load_payload_signature(stream, package.payload)
            verify_signatures(signature, hashes.signed_payload, expected, "payload signature")
            answered(PAYLOAD_SIGNATURE)
            verify_whole_file(envelope.signed_file, hashes.signed_file, expected)
        signed = Signed(payload=expected is not None, whole_file=expected is not None)
        return summarize(path, package, hashes.file.hex(), signed)


def _inspect_block(
    path: Path,
    stream: BinaryIO,
    envelope: Envelope,
    certificate: Certificate | None,
    progress: Progress | None,
    answered: Answered,
) -> OtaFacts:
    if certificate is not None:
        # Before the transfer lists are decoded, so that unsigned metadata costs only a hash.
        digest = load_signed_hash(stream, envelope)
        verify_whole_file(envelope.signed_file, digest, certificate)
    package = load_block_package(stream, envelope, answered)
    hashes = load_block_hashes(stream, package, progress)
    signed = Signed(payload=False, whole_file=certificate is not None)
    return summarize_block(path, package, hashes.file.hex(), signed)
