"""One accepted and one refused package for each rule of docs/FORMATS.md section 14.

The accepted package is at the rule's limit and the refused one just beyond it. The rules of
signatures are here, the others in `zip_rules`, `metadata_rules` and `manifest_rules`.
"""

import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from fixtures.protobuf_writer import bytes_field, fixed32_field
from fixtures.signing import CERTIFICATE_FILE, load_key
from tests.manifest_rules import MANIFEST_RULES
from tests.metadata_rules import METADATA_RULES, PROPERTY_RULES
from tests.package_rule import of_full, of_signer
from tests.zip_rules import CONTAINER


def _signed(metadata=bytes, payload=bytes):
    """Change the messages with the signatures of metadata and payload."""

    def change(draft):
        draft.metadata_signature, draft.payload_signature = metadata, payload

    return change


JUNK = bytes_field(1, bytes_field(2, bytes(range(256))))


def _padded(more):
    """Return the message with zeros after its signature, and with `more` added to its length."""

    def change(message):
        signature = message[6 : 6 + 256]
        return bytes_field(1, bytes_field(2, signature + bytes(8)) + fixed32_field(3, 256 + more))

    return change


def _whole(text=b"signed by SignApk\0", count=1, digest=hashes.SHA256, signed=bytes, attributes=()):
    """Sign the zip with a CMS structure of another form."""
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    options += [] if attributes else [pkcs7.PKCS7Options.NoAttributes]
    certificate = x509.load_pem_x509_certificate(CERTIFICATE_FILE.read_bytes())

    def sign(data):
        builder = pkcs7.PKCS7SignatureBuilder().set_data(signed(data[:-2]))
        for _ in range(count):
            builder = builder.add_signer(certificate, load_key(), digest())
        cms = builder.sign(serialization.Encoding.DER, options)
        length = len(text) + len(cms) + 6
        footer = struct.pack("<3H", len(cms) + 6, 0xFFFF, length)
        return data[:-2] + struct.pack("<H", length) + text + cms + footer

    return lambda draft: setattr(draft, "signed_by", sign)


SIGNATURE_RULES = {
    "signature-metadata": of_full(
        _signed(metadata=lambda message: JUNK + message), _signed(metadata=lambda _: JUNK)
    ),
    "signature-payload": of_full(
        _signed(payload=lambda message: JUNK + message), _signed(payload=lambda _: JUNK)
    ),
    "signature-count": of_full(
        _signed(lambda message: JUNK * 15 + message, lambda message: message + JUNK * 15),
        _signed(payload=lambda message: message + JUNK * 16),
    ),
    "signature-padding": of_full(_signed(_padded(0), _padded(0)), _signed(_padded(9))),
    "signature-each": of_signer(
        _signed(lambda message: message + bytes_field(1, bytes_field(2, bytes(range(255))))),
        _signed(lambda message: message + bytes_field(1, bytes_field(2, b""))),
    ),
    "signature-file": of_full(_whole(), _whole(signed=lambda data: data + b"x")),
    "signature-attributes": of_full(_whole(), _whole(attributes=True)),
    "signature-digest": of_full(_whole(), _whole(digest=hashes.SHA512)),
    "signature-signers": of_signer(_whole(count=1), _whole(count=2)),
    "signature-comment": of_signer(
        _whole(b"signed by " + b"x" * 40 + b"\0"), _whole(b"signed by " + b"x" * 41 + b"\0")
    ),
}
RULES = CONTAINER | METADATA_RULES | PROPERTY_RULES | MANIFEST_RULES | SIGNATURE_RULES
