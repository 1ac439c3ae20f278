"""Decodes the protobuf wire format, strictly, and leaves unknown fields alone.

One encoding per value: varints must be minimal and fit in 64 bits, a field that is not repeated
occurs once, groups are refused.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10
_MAX_FIELDS = 600_000
_MAX_NUMBER = (1 << 29) - 1

Fail = Callable[[str], Exception]


def decode_varint(data: bytes, at: int, fail: Fail) -> tuple[int, int]:
    """Return the integer at offset `at`, and the offset after it."""
    value, shift = 0, 0
    for index in range(at, min(at + _MAX_VARINT, len(data))):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if value >> 64 or (byte == 0 and index > at):
                break
            return value, index + 1
    raise fail("a number is cut off, too long or padded")


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of one message by number; `fail` makes the error to raise from a sentence part."""

    fields: dict[int, list[int | bytes]]
    fail: Fail

    def _only(self, number: int) -> int | bytes | None:
        values = self.fields.get(number, [])
        if len(values) > 1:
            raise self.fail(f"field {number} occurs more than once")
        return values[0] if values else None

    def has(self, number: int) -> bool:
        """Whether the field is there at all."""
        return number in self.fields

    def integer(self, number: int, default: int = 0) -> int:
        """Return an unsigned number, or `default` when the field is absent."""
        value = self._only(number)
        if value is None:
            return default
        if not isinstance(value, int):
            raise self.fail(f"field {number} is not a number")
        return value

    def signed(self, number: int) -> int:
        """Return an `int64`, 0 when the field is absent."""
        value = self.integer(number)
        return value - (1 << 64) if value >> 63 else value

    def flag(self, number: int) -> bool:
        """Return a `bool`, False when the field is absent."""
        value = self.integer(number)
        if value > 1:
            raise self.fail(f"field {number} is neither true nor false")
        return value == 1

    def data(self, number: int) -> bytes:
        """Return bytes, empty when the field is absent."""
        value = self._only(number)
        if value is None:
            return b""
        if not isinstance(value, bytes):
            raise self.fail(f"field {number} is not a string of bytes")
        return value

    def text(self, number: int) -> str:
        """Return text, empty when the field is absent."""
        return self._decode(number, self.data(number))

    def all_data(self, number: int) -> list[bytes]:
        """Return the values of a repeated field of bytes."""
        values = self.fields.get(number, [])
        found = [value for value in values if isinstance(value, bytes)]
        if len(found) != len(values):
            raise self.fail(f"field {number} is not a string of bytes")
        return found

    def all_text(self, number: int) -> tuple[str, ...]:
        """Return the values of a repeated field of text."""
        return tuple(self._decode(number, value) for value in self.all_data(number))

    def message(self, number: int) -> "Message":
        """Return a nested message, an empty one when the field is absent."""
        return decode_message(self.data(number), self.fail)

    def messages(self, number: int) -> Iterator["Message"]:
        """Yield the values of a repeated field of messages, each decoded when it is asked for."""
        for value in self.all_data(number):
            yield decode_message(value, self.fail)

    def _decode(self, number: int, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise self.fail(f"field {number} is not UTF-8") from error


def decode_message(data: bytes, fail: Fail) -> Message:
    """Decode one message; every fault is raised as `fail("what is wrong")`."""
    fields: dict[int, list[int | bytes]] = {}
    at, count = 0, 0
    while at < len(data):
        count += 1
        if count > _MAX_FIELDS:
            raise fail(f"a message has more than {_MAX_FIELDS} fields")
        key, at = decode_varint(data, at, fail)
        number, wire = key >> 3, key & 7
        if not 0 < number <= _MAX_NUMBER:
            raise fail("a field has a number that protobuf does not allow")
        value, at = _decode_value(data, at, wire, fail)
        fields.setdefault(number, []).append(value)
    return Message(fields, fail)


def _decode_value(data: bytes, at: int, wire: int, fail: Fail) -> tuple[int | bytes, int]:
    if wire == _VARINT:
        return decode_varint(data, at, fail)
    if wire == _BYTES:
        length, at = decode_varint(data, at, fail)
        if length > len(data) - at:
            raise fail("a field is longer than the message it is in")
        return data[at : at + length], at + length
    if wire in {_FIXED32, _FIXED64}:
        length = 4 if wire == _FIXED32 else 8
        if length > len(data) - at:
            raise fail("a field is longer than the message it is in")
        return int.from_bytes(data[at : at + length], "little"), at + length
    raise fail(f"a field has wire type {wire}")
