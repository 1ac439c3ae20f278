"""Everything that reading an OTA package can refuse.

Each error is one sentence that names what is wrong, so that a person can act on it.

    OtaError
    ├── ContainerError    the zip file itself
    ├── MetadataError     META-INF/com/android/metadata and metadata.pb
    ├── PropertiesError   property files and payload_properties.txt
    ├── PayloadError      payload.bin: header, manifest, operations, data; transfer lists
    ├── SignatureError    payload, metadata and whole-file signatures
    └── UnsupportedError  well-formed, but of a kind this version does not handle
"""

from typing import ClassVar

from signer.errors import SignerError
from signer.ota.questions import METADATA_AGREE, ONE_ZIP, PROPERTIES, RULES, WHOLE_FILE_SIGNATURE


class OtaError(SignerError):
    """The package is refused; the message says why.

    `question` is the one whose answer is no, `usual_question` that of most errors of a class.
    """

    usual_question: ClassVar[str] = RULES

    def __init__(self, sentence: str, question: str = "") -> None:
        super().__init__(sentence)
        self.question = question or self.usual_question


class ContainerError(OtaError):
    """The file is not a zip that a phone and every reader would see in the same way."""

    usual_question = ONE_ZIP


class MetadataError(OtaError):
    """The metadata is malformed, contradicts itself or is about another device."""

    usual_question = METADATA_AGREE


class PropertiesError(OtaError):
    """A property says something that is not true of the bytes, or must not be published."""

    usual_question = PROPERTIES


class PayloadError(OtaError):
    """The payload is malformed, or its bytes are not those it announces."""


class SignatureError(OtaError):
    """A signature is missing, malformed or not by the given certificate."""

    usual_question = WHOLE_FILE_SIGNATURE


class UnsupportedError(OtaError):
    """The package may be good, but this version does not know its kind."""
