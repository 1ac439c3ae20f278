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

from signer.errors import SignerError


class OtaError(SignerError):
    """The package is refused; the message says why."""


class ContainerError(OtaError):
    """The file is not a zip that a phone and every reader would see in the same way."""


class MetadataError(OtaError):
    """The metadata is malformed, contradicts itself or is about another device."""


class PropertiesError(OtaError):
    """A property says something that is not true of the bytes, or must not be published."""


class PayloadError(OtaError):
    """The payload is malformed, or its bytes are not those it announces."""


class SignatureError(OtaError):
    """A signature is missing, malformed or not by the given certificate."""


class UnsupportedError(OtaError):
    """The package may be good, but this version does not know its kind."""
