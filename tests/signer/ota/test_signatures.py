import hashlib

import pytest

from fixtures.protobuf_writer import bytes_field, fixed32_field
from fixtures.signing import sign_message
from signer.ota.errors import SignatureError
from signer.ota.signatures import decode_certificate, decode_signatures, verify_signatures


def _message(data: bytes, length: int) -> bytes:
    return bytes_field(1, bytes_field(2, data) + fixed32_field(3, length))


def test_a_padded_signature_is_cut_to_its_length() -> None:
    """A signature may be padded with zeros to a fixed size; field 3 says what counts."""
    assert decode_signatures(_message(b"sig\0\0", 3), "signature") == [b"sig"]


def test_older_messages_have_no_length() -> None:
    """Without field 3 all of the data is the signature."""
    assert decode_signatures(bytes_field(1, bytes_field(2, b"sig")), "signature") == [b"sig"]


@pytest.mark.parametrize(
    "raw",
    [_message(b"sig", 4), _message(b"sig\1", 3), _message(b"sig", 0), _message(bytes(1025), 1025)],
)
def test_lengths_that_cannot_be(raw: bytes) -> None:
    """A length beyond the data, padding that is not zero, nothing at all, too much."""
    with pytest.raises(SignatureError, match="impossible length"):
        decode_signatures(raw, "signature")


@pytest.mark.parametrize("count", [0, 17])
def test_numbers_of_signatures(count: int) -> None:
    """There is at least one signature, and there are not many."""
    with pytest.raises(SignatureError, match=f"has {count} signatures"):
        decode_signatures(_message(b"sig", 3) * count, "signature")


def test_one_good_signature_is_enough(certificate: bytes) -> None:
    """While keys change hands a payload has two signatures; one is for this certificate."""
    raw = _message(b"other", 5) + sign_message(b"quiet")
    wanted = decode_certificate(certificate)
    verify_signatures(raw, hashlib.sha256(b"quiet").digest(), wanted, "signature")
    with pytest.raises(SignatureError, match="not by the given certificate over these bytes"):
        verify_signatures(raw, hashlib.sha256(b"loud").digest(), wanted, "signature")


def test_a_missing_signature_is_named(certificate: bytes) -> None:
    """An unsigned payload is refused for a certificate."""
    with pytest.raises(SignatureError, match="The payload signature is missing"):
        verify_signatures(b"", bytes(32), decode_certificate(certificate), "payload signature")
