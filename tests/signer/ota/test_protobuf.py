import pytest

from signer.ota.errors import PayloadError
from signer.ota.protobuf import (
    BYTES,
    FIXED32,
    VARINT,
    Field,
    Message,
    Schema,
    decode_message,
    decode_varint,
)
from tests.cases import case

NUMBER = Schema({1: Field(VARINT), 2: Field(BYTES, is_text=True)})


def _fail(what: str) -> PayloadError:
    return PayloadError(what)


def _decode(text: str, schema: Schema = NUMBER) -> Message:
    return decode_message(bytes.fromhex(text), schema, _fail)


def test_the_example_of_the_encoding_guide() -> None:
    """Field 1 of value 150 is 08 96 01; field 2 "testing" is 12 07 and its letters."""
    message = _decode("089601" + "1207" + b"testing".hex())
    assert message.integer(1) == 150
    assert message.text(2) == "testing"


def test_varints_have_one_encoding() -> None:
    """Cut off, padded and oversized numbers are refused."""
    for raw in ("", "80", "8000", "ffffffffffffffffff02", "80" * 11 + "01"):
        with case(raw), pytest.raises(PayloadError, match="cut off, too long or padded"):
            decode_varint(bytes.fromhex(raw), 0, _fail)


def test_malformed_fields() -> None:
    """Groups, field 0 and fields that are cut off are refused by what is wrong."""
    for raw, fault in (
        ("0b", "wire type 3"),
        ("0e", "wire type 6"),
        ("0001", "number that protobuf does not allow"),
        ("1205aa", "longer than the message"),
        ("a50100", "longer than the message"),
        ("a10100000000000000", "longer than the message"),
    ):
        with case(raw), pytest.raises(PayloadError, match=fault):
            _decode(raw)


def test_unknown_fields_are_named() -> None:
    """A field outside the schema is not read, whatever its wire type."""
    message = _decode("0801" + "fd0f00000000" + "f90f0000000000000000" + "a201017f")
    assert message.integer(1) == 1
    assert set(message.unknown) == {255, 20}


def test_messages_in_messages_are_checked() -> None:
    """A text that is no UTF-8 and a number of another type are refused where only one is there."""
    numbers, texts = Schema({1: Field(VARINT)}), Schema({2: Field(BYTES, is_text=True)})
    with pytest.raises(PayloadError, match="field 2 is not UTF-8"):
        _decode("0a03" + "1201ff", Schema({1: Field(BYTES, message=texts)})).check(1)
    with pytest.raises(PayloadError, match="field 1 has wire type 2"):
        _decode("0a03" + "0a0161", Schema({1: Field(BYTES, message=numbers)})).check(1)


def test_fixed_numbers_are_little_endian() -> None:
    """Wire type 5 holds four bytes, lowest first."""
    assert _decode("0d01020000", Schema({1: Field(FIXED32)})).integer(1) == 0x0201


def test_absent_fields_have_defaults() -> None:
    """What is not there reads as zero, false, empty."""
    nested = Schema({1: Field(BYTES, message=NUMBER), 2: Field(BYTES, is_repeated=True)})
    message = _decode("", nested)
    assert message.integer(1, 4096) == 4096
    assert not message.flag(1)
    assert message.data(1) == b""
    assert message.text(1) == ""
    assert message.all_text(2) == ()
    assert message.message(1).values == {}


def test_negative_numbers() -> None:
    """An int64 of -1 is ten bytes on the wire."""
    assert _decode("08ffffffffffffffffff01").signed(1) == -1


def test_fields_are_those_of_the_schema() -> None:
    """Another wire type, a second value and a number that is too wide are refused."""
    for raw, fault in (
        ("0a00", "field 1 has wire type 2; it must have 0"),
        ("0d00000000", "field 1 has wire type 5; it must have 0"),
        ("1000", "field 2 has wire type 0; it must have 2"),
        ("08010801", "field 1 occurs more than once"),
        ("1802", "the number in field 3 has more than 1 bits"),
    ):
        with case(raw):
            schema = Schema({**NUMBER.fields, 3: Field(VARINT, bits=1)})
            with pytest.raises(PayloadError, match=fault):
                _decode(raw, schema)


def test_text_is_utf_8() -> None:
    """It is looked at when it is read, or checked where nothing reads it."""
    message = _decode("1201ff")
    for look in (lambda: message.text(2), lambda: message.check(2)):
        with pytest.raises(PayloadError, match="field 2 is not UTF-8"):
            look()


def test_nested_messages_are_checked_to_their_depth() -> None:
    """A message that nothing reads is held to its schema as well."""
    outer = Schema({1: Field(BYTES, is_repeated=True, message=NUMBER)})
    _decode("0a020801", outer).check(1)
    with pytest.raises(PayloadError, match="field 1 has wire type 2"):
        _decode("0a020801" + "0a020a00", outer).check(1)
