"""Decodes the protobuf wire format strictly, by the schema of each message.

One encoding per value: varints must be minimal and fit in 64 bits, a field that is not repeated
occurs once, groups are refused. A field of the schema must have the schema's wire type: protobuf's
own library skips it otherwise, and would read a different message. Fields outside the schema are
reported.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10
MAX_FIELDS = 600_000
MAX_UNKNOWN = 64
_MAX_NUMBER = (1 << 29) - 1

Fail = Callable[[str], Exception]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a schema; `bits` limits its numbers, `message` is the schema of its messages."""

    wire: int
    bits: int = 64
    is_text: bool = False
    is_repeated: bool = False
    message: "Schema | None" = None


class Schema:
    """The fields of a message by number."""

    def __init__(self, fields: Mapping[int, Field]) -> None:
        self.fields = fields
        #: By key on the wire: the field's number, whether it is repeated, and the number of bits of
        #: its values (None for bytes).
        self.keys = {
            number << 3 | field.wire: (
                *(number, field.is_repeated),
                None if field.wire == BYTES else field.bits,
            )
            for number, field in fields.items()
        }
        #: The numbers of text and message fields, whose values need more checks than the wire type.
        self.nested = frozenset(
            number for number, field in fields.items() if field.is_text or field.message is not None
        )


def decode_varint(data: bytes, at: int, fail: Fail) -> tuple[int, int]:
    """Return the integer at offset `at`, and the offset after it."""
    value = shift = 0
    for byte in data[at : at + _MAX_VARINT]:
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            if value >> 64 or (byte == 0 and shift):
                break
            return value, at
        shift += 7
    raise fail("a number is cut off, too long or padded")


# Not frozen, which would double the time to make one; there can be a million of them.
@dataclass(slots=True)
class Message:
    """The fields of one message; `fail` makes an error from a description of the fault.

    `values` are of the schema's types, `unknown` the numbers of the fields outside the schema.
    """

    schema: Schema
    values: dict[int, Any]
    unknown: Collection[int]
    fail: Fail

    def has(self, number: int) -> bool:
        """Whether the field is present."""
        return number in self.values

    def integer(self, number: int, default: int = 0) -> int:
        """Return an unsigned number, or `default` when the field is absent."""
        value: int = self.values.get(number, default)
        return value

    def signed(self, number: int) -> int:
        """Return an `int64`, 0 when the field is absent."""
        value = self.integer(number)
        return value - (1 << 64) if value >> 63 else value

    def flag(self, number: int) -> bool:
        """Return a `bool`, False when the field is absent."""
        return self.integer(number) == 1

    def data(self, number: int) -> bytes:
        """Return bytes, empty when the field is absent."""
        value: bytes = self.values.get(number, b"")
        return value

    def text(self, number: int) -> str:
        """Return text, empty when the field is absent."""
        return self._text(number, self.data(number))

    def all_data(self, number: int) -> Sequence[bytes]:
        """Return the values of a repeated field of bytes."""
        values: Sequence[bytes] = self.values.get(number, ())
        return values

    def all_text(self, number: int) -> tuple[str, ...]:
        """Return the values of a repeated field of text."""
        return tuple(self._text(number, value) for value in self.all_data(number))

    def message(self, number: int) -> "Message":
        """Return a nested message, an empty one when the field is absent."""
        return decode_message(self.data(number), self._schema(number), self.fail)

    def messages(self, number: int) -> Iterator["Message"]:
        """Yield the values of a repeated field of messages, each decoded on request."""
        schema = self._schema(number)
        for value in self.all_data(number):
            yield decode_message(value, schema, self.fail)

    def check(self, *numbers: int) -> Collection[int]:
        """Check texts and messages, at any depth, of fields that nothing else decodes.

        Returns the numbers of the fields in them that are outside the schema.
        """
        unknown = set[int]()
        _check(self.values, self.schema, numbers, self.fail, unknown)
        return unknown

    def _schema(self, number: int) -> Schema:
        schema = self.schema.fields[number].message
        if schema is None:
            raise TypeError(f"field {number} of the schema is not a message")
        return schema

    def _text(self, number: int, value: bytes) -> str:
        return _decode_text(number, value, self.fail)


def decode_message(data: bytes, schema: Schema, fail: Fail) -> Message:
    """Decode one message; every fault is raised as `fail("what is wrong")`."""
    values, unknown = decode_fields(data, schema, fail)
    return Message(schema, values, unknown, fail)


def decode_fields(  # noqa: C901 - a call for each field would take as long as all of this
    data: bytes, schema: Schema, fail: Fail
) -> tuple[dict[int, Any], Collection[int]]:
    """Return `values` and `unknown` of `decode_message`, without the cost of a Message."""
    values: dict[int, Any] = {}
    unknown: Collection[int] = ()
    at, count, end, keys = 0, 0, len(data), schema.keys
    while at < end:
        count += 1
        if count > MAX_FIELDS:
            raise fail(f"a message has more than {MAX_FIELDS} fields")
        # Inlined, because most keys, lengths and numbers have one byte, and a call would dominate
        # the cost.
        key = data[at]
        at += 1
        if key > 0x7F:
            key, at = decode_varint(data, at - 1, fail)
        wire = key & 7
        if wire & 5:  # neither a number nor bytes
            length = _fixed_length(wire, fail)
        elif at < end and data[at] < 0x80:
            length = data[at]
            at += 1
        else:
            length, at = decode_varint(data, at, fail)
        value: int | bytes = length
        if wire:
            start, at = at, at + length
            if at > end:
                raise fail("a field is longer than the message it is in")
            value = data[start:at]
        known = keys.get(key)
        if known is None:
            unknown = _note_unknown(key, schema, unknown, fail)
            continue
        number, is_repeated, bits = known
        if is_repeated:
            values.setdefault(number, []).append(value)
            continue
        if number in values:
            raise fail(f"field {number} occurs more than once")
        values[number] = value if bits is None else _number(value, number, bits, fail)
    return values, unknown


def _fixed_length(wire: int, fail: Fail) -> int:
    if wire not in {FIXED32, FIXED64}:
        raise fail(f"a field has wire type {wire}")
    return 4 if wire == FIXED32 else 8


def _number(value: int | bytes, number: int, bits: int, fail: Fail) -> int:
    if isinstance(value, bytes):
        value = int.from_bytes(value, "little")
    if value >> bits:
        raise fail(f"the number in field {number} has more than {bits} bits")
    return value


def _decode_text(number: int, value: bytes, fail: Fail) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise fail(f"field {number} is not UTF-8") from error


def _check(
    values: Mapping[int, Any],
    schema: Schema,
    numbers: Collection[int],
    fail: Fail,
    unknown: set[int],
) -> None:
    for number in values.keys() & numbers:
        field = schema.fields[number]
        for value in values[number] if field.is_repeated else (values[number],):
            if field.message is not None:
                nested, more = decode_fields(value, field.message, fail)
                if more:
                    unknown.update(more)
                    if len(unknown) > MAX_UNKNOWN:
                        raise fail(f"its messages have more than {MAX_UNKNOWN} unknown fields")
                if nested and field.message.nested:
                    _check(nested, field.message, field.message.nested, fail, unknown)
            elif field.is_text:
                _decode_text(number, value, fail)


def _note_unknown(
    key: int, schema: Schema, unknown: Collection[int], fail: Fail
) -> Collection[int]:
    """Return `unknown` with the number of `key`, which must not be in the schema."""
    number = key >> 3
    if number in unknown:
        return unknown
    if not 0 < number <= _MAX_NUMBER:
        raise fail("a field has a number that protobuf does not allow")
    if number in schema.fields:
        expected = schema.fields[number].wire
        raise fail(f"field {number} has wire type {key & 7}; it must have {expected}")
    if len(unknown) == MAX_UNKNOWN:
        raise fail(f"a message has more than {MAX_UNKNOWN} unknown fields")
    return {*unknown, number}
