"""Loads what packages of every kind have: the zip, the metadata, the whole-file signature."""

from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.certificate import Certificate, decode_certificate
from signer.ota.container import Container, load_entry
from signer.ota.errors import MetadataError, SignatureError
from signer.ota.metadata import (
    MAX_METADATA,
    MAX_METADATA_PB,
    METADATA,
    METADATA_PB,
    Metadata,
    check_agreement,
    decode_pb,
    decode_text,
)
from signer.ota.sentences import show_names
from signer.ota.whole_file import SignedFile, decode_comment, verify_cms

OTACERT = "META-INF/com/android/otacert"
MAX_OTHER = 16 << 20


@dataclass(frozen=True, slots=True)
class Front:
    """A package's zip and what it says about itself.

    `unknown` names what either form of the metadata has and no one knows here. `signed_file` is
    None when the package has no whole-file signature.
    """

    container: Container
    metadata: Metadata
    unknown: tuple[str, ...]
    signed_file: SignedFile | None

    @property
    def has_metadata_pb(self) -> bool:
        """Whether the metadata is there in both forms."""
        return METADATA_PB in self.container.entries


def load_front(stream: BinaryIO, container: Container, codename: str | None) -> Front:
    """Read the metadata; with `codename` the package must be for it.

    Raises OtaError for the first part that is malformed or contradicts another.
    """
    metadata = decode_text(load_entry(stream, container.entry(METADATA), MAX_METADATA))
    unknown = metadata.unknown
    if METADATA_PB in container.entries:  # packages made before Android 12 have none
        binary = decode_pb(load_entry(stream, container.entries[METADATA_PB], MAX_METADATA_PB))
        check_agreement(metadata, binary)
        unknown += binary.unknown
    if codename is not None and codename not in metadata.devices:
        raise MetadataError(
            f"The package is for {show_names(metadata.devices)}, not for {codename}."
        )
    return Front(container, metadata, unknown, decode_comment(container.comment, container.length))


def check_otacert(stream: BinaryIO, container: Container, certificate: Certificate) -> None:
    """Raise SignatureError when the package encloses another certificate than the given one."""
    if OTACERT in container.entries:
        enclosed = decode_certificate(load_entry(stream, container.entries[OTACERT], MAX_OTHER))
        if enclosed.der != certificate.der:
            raise SignatureError("The package's otacert is another certificate than the given one.")


def verify_whole_file(
    signed_file: SignedFile | None, digest: bytes, certificate: Certificate
) -> None:
    """Raise SignatureError unless the whole-file signature is the certificate's over `digest`."""
    if signed_file is None:
        raise SignatureError("The package has no whole-file signature.")
    verify_cms(signed_file.cms, digest, certificate)
