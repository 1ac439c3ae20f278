import pytest

from signer.ota.errors import PayloadError
from signer.ota.protobuf import Message, decode_message, decode_varint


def _fail(what: str) -> PayloadError:
    return PayloadError(what)


def _decode(text: str) -> Message:
    return decode_message(bytes.fromhex(text), _fail)


def test_the_example_of_the_encoding_guide() -> None:
    """Field 1 of value 150 is 08 96 01; field 2 "testing" is 12 07 and its letters."""
    message = _decode("089601" + "1207" + b"testing".hex())
    assert message.integer(1) == 150
    assert message.text(2) == "testing"


@pytest.mark.parametrize(
    ("raw", "value"),
    [("00", 0), ("7f", 127), ("8001", 128), ("ffffffffffffffffff01", 2**64 - 1)],
)
def test_varints(raw: str, value: int) -> None:
    """Numbers of one to ten bytes, up to 64 bits."""
    data = bytes.fromhex(raw)
    assert decode_varint(data, 0, _fail) == (value, len(data))


@pytest.mark.parametrize("raw", ["", "80", "8000", "ffffffffffffffffff02", "80" * 11 + "01"])
def test_varints_have_one_encoding(raw: str) -> None:
    """Cut off, padded and oversized numbers are refused."""
    with pytest.raises(PayloadError, match="cut off, too long or padded"):
        decode_varint(bytes.fromhex(raw), 0, _fail)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("0b", "wire type 3"),
        ("0e", "wire type 6"),
        ("0001", "number that protobuf does not allow"),
        ("0a05aa", "longer than the message"),
        ("0d000000", "longer than the message"),
        ("0900000000000000", "longer than the message"),
    ],
)
def test_malformed_fields(raw: str, fault: str) -> None:
    """Groups, field 0 and fields that are cut off are refused by what is wrong."""
    with pytest.raises(PayloadError, match=fault):
        _decode(raw)


def test_unknown_fields_are_left_alone() -> None:
    """A field that nobody asks for does not matter, whatever its wire type."""
    message = _decode("0801" + "fd0f00000000" + "f90f0000000000000000")
    assert message.integer(1) == 1
    assert message.has(255)


def test_fixed_numbers_are_little_endian() -> None:
    """Wire types 5 and 1 hold four and eight bytes, lowest first."""
    message = _decode("0d01020000" + "110100000000000080")
    assert message.integer(1) == 0x0201
    assert message.signed(2) == -(2**63) + 1


def test_absent_fields_have_defaults() -> None:
    """What is not there reads as zero, false, empty."""
    message = _decode("")
    assert message.integer(1, 4096) == 4096
    assert not message.flag(1)
    assert message.data(1) == b""
    assert message.text(1) == ""
    assert message.all_text(1) == ()
    assert list(message.messages(1)) == []
    assert message.message(1).fields == {}


def test_negative_numbers() -> None:
    """An int64 of -1 is ten bytes on the wire."""
    assert _decode("08ffffffffffffffffff01").signed(1) == -1


def test_fields_of_the_wrong_kind_are_refused() -> None:
    """A number where bytes belong, bytes where a number belongs, text that is not UTF-8."""
    with pytest.raises(PayloadError, match="field 1 is not a string of bytes"):
        _decode("0801").data(1)
    with pytest.raises(PayloadError, match="field 1 is not a string of bytes"):
        _decode("0801").all_data(1)
    with pytest.raises(PayloadError, match="field 1 is not a number"):
        _decode("0a00").integer(1)
    with pytest.raises(PayloadError, match="field 1 is not UTF-8"):
        _decode("0a01ff").text(1)
    with pytest.raises(PayloadError, match="field 1 is neither true nor false"):
        _decode("0802").flag(1)
    with pytest.raises(PayloadError, match="field 1 occurs more than once"):
        _decode("08010801").integer(1)
