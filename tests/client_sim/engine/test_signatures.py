import hashlib
import io
import struct

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError, SignatureError
from client_sim.engine.package import verify_package_signature
from client_sim.engine.payload import PayloadFile, decode_header, load_payload
from client_sim.engine.signatures import (
    find_signed_length,
    load_certificate_key,
    verify_metadata_signature,
    verify_payload_signature,
    verify_whole_file,
)
from tests.cases import case
from tests.client_sim.engine import payload_builder
from tests.client_sim.engine.images import noise
from tests.client_sim.engine.ota_zip import comment, make_certificate, sign_package
from tests.client_sim.engine.payload_builder import build_payload, field, full_part
from tests.client_sim.engine.streamed import open_payload

PARTS = [full_part("system", noise(1, 1) + bytes(2 * 4096))]


def _verify(data: bytes, public) -> None:
    file = PayloadFile(io.BytesIO(data), 0, len(data))
    header = decode_header(file)
    verify_metadata_signature(file, header, public)
    verify_payload_signature(load_payload(file, header), public)


def test_the_metadata_signature_covers_header_and_manifest_only(key):
    """The signature is over the bytes before it."""
    data = build_payload(PARTS, key=key)
    size = 24 + int.from_bytes(data[12:20], "big")
    message = data[size : size + int.from_bytes(data[20:24], "big")]
    signature = message[message.index(struct.pack(">BH", 0x12, 0x8002)) + 3 :][:256]
    key.public_key().verify(signature, data[:size], padding.PKCS1v15(), hashes.SHA256())


def test_every_flipped_byte_is_refused(key, certificate):
    """A flipped byte of a signed payload is refused, except in the framing of signatures."""
    good = build_payload(PARTS, key=key)
    public = key.public_key()
    data = bytearray(good)
    meta = 24 + int.from_bytes(good[12:20], "big")
    signature_size = int.from_bytes(good[20:24], "big")
    # Unknown fields in the framing of a signature are ignored; FILE_HASH covers those bytes.
    framing = {
        start + offset
        for start in (meta, len(good) - signature_size)
        for offset in range(signature_size)
        if not 6 <= offset < 6 + 256
    }
    assert len(framing) == 2 * (signature_size - 256)
    for at in set(range(len(good))) - framing:
        # Every byte of the metadata and the signatures, and a sample of the data.
        if meta + signature_size + 50 < at < len(good) - signature_size - 50 and at % 37:
            continue
        data[at] ^= 0x01
        with pytest.raises(EngineError):
            _verify(bytes(data), public)
        data[at] ^= 0x01
    assert data == good
    # The certificate has expired, which phones do not check.
    _verify(good, load_certificate_key(certificate))


def test_another_key_and_no_signature_are_refused(key):
    """Both the metadata and the payload must be signed with the right key."""
    other = rsa.generate_private_key(65537, 2048)
    for data, public in (
        (build_payload(PARTS, key=key), other.public_key()),
        (build_payload(PARTS), key.public_key()),
    ):
        with pytest.raises(SignatureError, match="metadata is not signed"):
            _verify(data, public)
    with pytest.raises(SignatureError, match="payload is not signed"):
        verify_payload_signature(open_payload(build_payload(PARTS)), key.public_key())


def _with_messages(monkeypatch, key, make):
    """Build a payload whose two Signatures messages are `make(good)`, of one size."""
    good = payload_builder.signatures
    monkeypatch.setattr(payload_builder, "signatures", lambda k, covered: make(good(k, covered)))
    return build_payload(PARTS, key=key)


def test_refused_signature_messages(key):
    """Malformed messages, and messages without a usable signature, are refused."""
    for make, words in (
        (lambda _: field(1, field(2, b"x" * 20)), "not signed by the key"),
        (lambda _: field(1, b""), "not signed by the key"),
        (lambda _: field(2, b"x"), "not signed by the key"),
        (lambda _: field(1, field(2, b"x") + b"\x1d\x02\0\0\0"), "cut short"),
        (lambda _: b"\x0a\xff", "cut short"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            data = _with_messages(patch, key, make)
        with case(words), pytest.raises(PackageError, match=words):
            _verify(data, key.public_key())


def test_payload_signature_length_limit(key):
    """The size stated in the manifest is checked before the signature is read."""
    size = 64 * 1024 + 1
    more = field(4, len(PARTS[0].data)) + field(5, size)
    payload = open_payload(build_payload(PARTS, more=more) + bytes(size))
    with pytest.raises(PackageError, match="signature that is too long"):
        verify_payload_signature(payload, key.public_key())


def test_certificates_that_cannot_be_used_are_refused(certificate):
    """Malformed certificates, keys other than RSA and short keys are refused."""
    short = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    for bad in (
        b"",
        b"not a certificate",
        certificate[:200],
        certificate.replace(b"MII", b"MIJ", 1),
        bytes(65 * 1024),
        make_certificate(short),
        make_certificate(curve),
    ):
        with pytest.raises(SignatureError, match="certificate in the phone's image"):
            load_certificate_key(bad)


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def _verify_package(data, key):
    verify_package_signature(io.BytesIO(data), key.public_key())


def _verify_tail(tail, digest, key):
    find_signed_length(tail, len(tail))
    verify_whole_file(tail, digest, key.public_key())


def test_every_signed_byte_counts(key):
    """A changed byte before the comment's length is refused."""
    data = sign_package(EMPTY_ZIP, key)
    _verify_package(data, key)
    for at in range(len(EMPTY_ZIP) - 2):
        with pytest.raises(EngineError):
            _verify_package(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], key)


def test_every_byte_of_the_comment_is_read_or_harmless(key):
    """A changed byte of the comment is refused, or the same bytes stay signed."""
    data = sign_package(EMPTY_ZIP, key)
    for at in range(len(EMPTY_ZIP) - 2, len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            _verify_package(changed, key)
        except EngineError:
            continue
        assert changed[: len(EMPTY_ZIP) - 2] == data[: len(EMPTY_ZIP) - 2]


def test_packages_that_are_not_signed_are_refused(key):
    """No comment, wrong footers and lengths, and a second end record are refused."""
    for data, words in (
        (b"", "no whole-file"),
        (EMPTY_ZIP, "no whole-file"),
        (EMPTY_ZIP[:-2] + comment(b""), "not where it should be"),
        (EMPTY_ZIP[:-2] + comment(b"\x30\x00")[:-2] + b"\xff\xff", "not where it should be"),
        (bytes(22)[:-2] + comment(b"\x30\x00"), "does not end as a signed zip"),
        (EMPTY_ZIP[:-2] + comment(b"PK\x05\x06"), "does not end as a signed zip"),
        (EMPTY_ZIP[:-2] + b"\x01\x00" + comment(b"\x30\x00")[2:], "not as long as it says"),
        (EMPTY_ZIP[:-2] + comment(b"\x30\x00"), "malformed"),
        (EMPTY_ZIP[:-2] + comment(b"\x04\x00"), "malformed"),
        (EMPTY_ZIP[:-2] + comment(b"\x30\x05\x00"), "malformed"),
    ):
        with case(data, words), pytest.raises(EngineError, match=words):
            _verify_package(data, key)


def test_no_more_than_16_signatures(key):
    """Each costs a phone an exponentiation, and a comment has room for hundreds."""
    _verify_package(sign_package(EMPTY_ZIP, key, times=16), key)
    with pytest.raises(EngineError, match="more than 16 whole-file signatures"):
        _verify_package(sign_package(EMPTY_ZIP, key, times=17), key)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_arbitrary_bytes_give_only_engine_errors(key, before, message):
    """Arbitrary file ends and signatures raise only `EngineError`."""
    digest = hashlib.sha256(b"").digest()
    for tail in (before, EMPTY_ZIP[:-2] + comment(message)):
        with pytest.raises(EngineError):
            _verify_tail(tail, digest, key)
