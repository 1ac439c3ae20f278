import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError
from client_sim.engine.protobuf import decode_message
from tests.cases import case
from tests.client_sim.engine.payload_builder import field


def test_fields_are_read():
    """The encoding guide's own examples, and defaults of absent fields.

    Fixed32 values are little-endian, repeated values keep their order, and unread fields of every
    wire type are ignored.
    """
    assert decode_message(bytes.fromhex("089601"), "it").integer(1) == 150
    assert decode_message(bytes.fromhex("120774657374696e67"), "it").text(2) == "testing"
    nested = decode_message(bytes.fromhex("1a03089601"), "it").message(3, "inner")
    assert nested.integer(1) == 150
    assert decode_message(bytes.fromhex("1d00010000"), "it").fixed32(3) == 256
    assert decode_message(field(4, b"b") + field(4, b"a"), "it").repeated(4) == [b"b", b"a"]
    others = bytes.fromhex("f90300000000000000f0" + "fd0301020304") + field(9, b"x") + field(8, 1)
    message = decode_message(others + field(2, 5), "it")
    assert message.integer(2) == 5
    assert message.has(8)
    assert message.integer(1, default=7) == 7
    assert (message.text(1), message.data(1), message.message(1, "x")) == ("", None, None)
    assert (message.repeated(1), message.fixed32(1), message.has(1)) == ([], None, False)


def test_malformed_messages_are_refused():
    """Bytes that no encoder writes are refused, each with its reason."""
    for encoded, words in (
        ("08", "cut short"),
        ("0880", "cut short"),
        ("1205616263", "cut short"),
        ("0d010203", "cut short"),
        ("0900", "cut short"),
        ("0b", "wire type 3"),
        ("0c", "wire type 4"),
        ("0e", "wire type 6"),
        ("0001", "field number"),
        ("8080808080800101", "field number"),
        ("089600", "shortest"),
        ("08ffffffffffffffffff02", "shortest"),
        ("08ffffffffffffffffffff01", "ten bytes"),
    ):
        with case(encoded, words), pytest.raises(PackageError, match=words):
            decode_message(bytes.fromhex(encoded), "it")


def test_fields_of_another_kind_are_refused():
    """A repeated, too wide or wrongly typed field, and invalid text, are refused when read."""
    for encoded, read in (
        (field(1, 1) * 2, lambda m: m.integer(1)),
        (field(1, b"x"), lambda m: m.integer(1)),
        (field(1, 1), lambda m: m.data(1)),
        (field(1, 1), lambda m: m.repeated(1)),
        (field(1, 1 << 32), lambda m: m.integer(1, bits=32)),
        (field(1, b"\xff"), lambda m: m.text(1)),
        (bytes.fromhex("0901000000000000000a0161"), lambda m: m.integer(1)),
    ):
        with case(encoded, read), pytest.raises(PackageError):
            read(decode_message(encoded, "it"))


@given(st.dictionaries(st.integers(1, 100), st.integers(0, 2**64 - 1) | st.binary(max_size=20)))
def test_message_round_trip(values):
    """Every message of integers and bytes is decoded as it was."""
    message = decode_message(b"".join(field(*item) for item in values.items()), "it")
    for number, value in values.items():
        read = message.integer if isinstance(value, int) else message.data
        assert read(number) == value


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_fields_or_an_engine_error(data):
    """Arbitrary bytes raise only `EngineError`."""
    try:
        message = decode_message(data, "it")
        for number in message.fields:
            message.integer(number)
            message.text(number)
    except EngineError:
        return
    assert sum(len(values) for values in message.fields.values()) <= len(data)
