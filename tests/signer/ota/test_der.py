import pytest

from signer.ota.errors import SignatureError
from signer.ota.signatures import INTEGER, SEQUENCE, decode_elements, decode_integer, take


def test_elements() -> None:
    """A sequence of the integers 1 and 128, and a null after it."""
    sequence, null = decode_elements(bytes.fromhex("3007020101020200800500"))
    assert (sequence.tag, null.encoding.hex()) == (SEQUENCE, "0500")
    assert [decode_integer(each) for each in decode_elements(sequence.content)] == [1, 128]


def test_long_lengths() -> None:
    """A content of 128 bytes has its length in one more byte."""
    (element,) = decode_elements(bytes.fromhex("048180") + bytes(128))
    assert element.content == bytes(128)


@pytest.mark.parametrize(
    "raw",
    [
        *("30", "3001", "3080", "308100", "1f0100", "308500000000010000"),
        *("30817f" + "00" * 127, "3082007f" + "00" * 127, "048200ff" + "00" * 255),
    ],
)
def test_what_is_not_der(raw: str) -> None:
    """Cut off, indefinite, padded and multi-byte-tag encodings are refused."""
    with pytest.raises(SignatureError, match="not well-formed DER"):
        decode_elements(bytes.fromhex(raw))


@pytest.mark.parametrize("raw", ["0200", "020180", "02020001", "0401ff"])
def test_what_is_not_an_integer(raw: str) -> None:
    """Empty, negative and padded integers, and other types, are refused."""
    (element,) = decode_elements(bytes.fromhex(raw))
    with pytest.raises(SignatureError, match="not well-formed DER"):
        decode_integer(element)


def test_take_wants_its_tag() -> None:
    """An element of another tag, or none at all, is a malformed structure."""
    elements = decode_elements(bytes.fromhex("020101"))
    with pytest.raises(SignatureError):
        take(elements, SEQUENCE)
    assert take(elements, INTEGER).content == b"\1"
    with pytest.raises(SignatureError):
        take(elements, INTEGER)
