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


def test_decode_message() -> None:
    """150 is 96 01, as in the encoding guide; missing fields have defaults."""
    message = _decode("089601" + "1207" + b"testing".hex())
    assert message.integer(1) == 150
    assert message.text(2) == "testing"
    assert _decode("0d01020000", Schema({1: Field(FIXED32)})).integer(1) == 0x0201
    assert _decode("08ffffffffffffffffff01").signed(1) == -1
    nested = Schema({1: Field(BYTES, message=NUMBER), 2: Field(BYTES, is_repeated=True)})
    message = _decode("", nested)
    assert message.integer(1, 4096) == 4096
    assert not message.flag(1)
    assert message.data(1) == b""
    assert message.text(1) == ""
    assert message.all_text(2) == ()
    assert message.message(1).values == {}
    message = _decode("0801" + "fd0f00000000" + "f90f0000000000000000" + "a201017f")
    assert message.integer(1) == 1
    assert set(message.unknown) == {255, 20}


def test_malformed_fields() -> None:
    """Padded varints, groups, field 0 and truncated fields are refused."""
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
    for raw in ("", "80", "8000", "ffffffffffffffffff02", "80" * 11 + "01"):
        with case(raw), pytest.raises(PayloadError, match="cut off, too long or padded"):
            decode_varint(bytes.fromhex(raw), 0, _fail)


def test_fields_that_contradict_the_schema() -> None:
    """Wrong wire types, duplicates, numbers out of range and invalid UTF-8 are refused."""
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
    message = _decode("1201ff")
    for look in (lambda: message.text(2), lambda: message.check(2)):
        with pytest.raises(PayloadError, match="field 2 is not UTF-8"):
            look()


def test_malformed_nested_message() -> None:
    """Nested messages are checked even if nothing reads them."""
    outer = Schema({1: Field(BYTES, is_repeated=True, message=NUMBER)})
    _decode("0a020801", outer).check(1)
    with pytest.raises(PayloadError, match="field 1 has wire type 2"):
        _decode("0a020801" + "0a020a00", outer).check(1)
    numbers, texts = Schema({1: Field(VARINT)}), Schema({2: Field(BYTES, is_text=True)})
    with pytest.raises(PayloadError, match="field 2 is not UTF-8"):
        _decode("0a03" + "1201ff", Schema({1: Field(BYTES, message=texts)})).check(1)
    with pytest.raises(PayloadError, match="field 1 has wire type 2"):
        _decode("0a03" + "0a0161", Schema({1: Field(BYTES, message=numbers)})).check(1)
