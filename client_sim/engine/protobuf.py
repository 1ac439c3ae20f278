"""A strict decoder of the protobuf wire format (proto2), for the few messages of an update.

It skips unused fields after checking their wire type. It refuses groups, field number 0, varints
that are longer than needed or wider than 64 bits, truncated data, and a second value for a field
that is not repeated.
"""

from dataclasses import dataclass
from typing import Final

from client_sim.engine.errors import PackageError

# A limit on memory. A manifest of a whole phone has about ten thousand fields at its top and in
# each partition.
MAX_FIELDS: Final = 600_000

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_MIXED: Final = -1
_MAX_VARINT_BYTES: Final = 10


# Not frozen, because that would double the time to construct one; there can be 700,000 of them.
@dataclass(slots=True)
class Message:
    """One decoded level of a message; nested messages are decoded on request.

    `fields` has the values by field number, `wire_types` the wire type, _MIXED for several types.
    """

    name: str
    fields: dict[int, list[int | bytes]]
    wire_types: dict[int, int]

    def integer(self, number: int, *, default: int = 0, bits: int = 64) -> int:
        """Return the unsigned integer in field `number`, below 2**bits, or `default` if absent.

        Raises PackageError if the field has another wire type, is repeated or is too big.
        """
        values = self.fields.get(number)
        if values is None:
            return default
        value = values[0]
        if len(values) > 1 or self.wire_types[number] != _VARINT:
            self._single(number, _VARINT)
        if not isinstance(value, int) or value >> bits:
            raise PackageError(f"Field {number} of {self.name} is wider than {bits} bits.")
        return value

    def fixed32(self, number: int) -> int | None:
        """Return the fixed32 in field `number`, or None if it is absent."""
        value = self._single(number, _FIXED32)
        return value if isinstance(value, int) else None

    def data(self, number: int) -> bytes | None:
        """Return the bytes in field `number`, or None if it is absent."""
        value = self._single(number, _BYTES)
        return value if isinstance(value, bytes) else None

    def text(self, number: int) -> str:
        """Return the UTF-8 text in field `number`, or the empty string if it is absent."""
        data = self.data(number) or b""
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise PackageError(f"Field {number} of {self.name} is not UTF-8 text.") from None

    def message(self, number: int, name: str) -> "Message | None":
        """Return the nested message in field `number`, or None if it is absent."""
        data = self.data(number)
        return None if data is None else decode_message(data, name)

    def repeated(self, number: int) -> list[bytes]:
        """Return the bytes of every value of the repeated message field `number`, in order."""
        values = self._values(number, _BYTES)
        return [] if values is None else [each for each in values if isinstance(each, bytes)]

    def has(self, number: int) -> bool:
        """Tell whether field `number` is present."""
        return number in self.fields

    def _single(self, number: int, wire_type: int) -> int | bytes | None:
        values = self._values(number, wire_type)
        if values is None:
            return None
        if len(values) > 1:
            raise PackageError(f"Field {number} of {self.name} appears more than once.")
        return values[0]

    def _values(self, number: int, wire_type: int) -> list[int | bytes] | None:
        values = self.fields.get(number)
        if values is not None and self.wire_types[number] != wire_type:
            raise PackageError(f"Field {number} of {self.name} has the wrong wire type.")
        return values


# One long function, because a call for each field would double the time.
def decode_message(data: bytes, name: str) -> Message:  # noqa: C901, PLR0912
    """Decode one level of a protobuf message; errors call it `name`.

    Raises PackageError for anything that is not a well-formed message.
    """
    message = Message(name, {}, {})
    fields, wire_types = message.fields, message.wire_types
    position, count, end = 0, 0, len(data)
    while position < end:
        count += 1
        if count > MAX_FIELDS:
            raise PackageError(
                f"The payload is malformed: {name} has more than {MAX_FIELDS} fields."
            )
        # Inlined, because most keys, numbers and lengths have one byte, and a call would dominate
        # the cost.
        key = data[position]
        position += 1
        if key >= 0x80:
            key, position = _decode_varint(data, position - 1, name)
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise PackageError(f"The payload is malformed: {name} has a field number out of range.")
        value: int | bytes
        if wire_type & 5:
            value, position = _decode_fixed(data, position, wire_type, name)
        else:
            if position < end and data[position] < 0x80:
                value = data[position]
                position += 1
            else:
                value, position = _decode_varint(data, position, name)
            if wire_type:
                start, position = position, position + value
                if position > end:
                    raise PackageError(f"The payload is malformed: {name} is cut short.")
                value = data[start:position]
        if number in fields:
            fields[number].append(value)
            if wire_types[number] != wire_type:
                wire_types[number] = _MIXED
        else:
            fields[number], wire_types[number] = [value], wire_type
    return message


def _decode_fixed(data: bytes, position: int, wire_type: int, name: str) -> tuple[int, int]:
    length = {_FIXED32: 4, _FIXED64: 8}.get(wire_type)
    if length is None:
        raise PackageError(
            f"The payload is malformed: {name} has a field of wire type {wire_type}."
        )
    if length > len(data) - position:
        raise PackageError(f"The payload is malformed: {name} is cut short.")
    return int.from_bytes(data[position : position + length], "little"), position + length


def _decode_varint(data: bytes, position: int, name: str) -> tuple[int, int]:
    value = shift = 0
    for byte in data[position : position + _MAX_VARINT_BYTES]:
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            if value >> 64 or (byte == 0 and shift):
                raise PackageError(
                    f"The payload is malformed: {name} has a number not in its shortest form."
                )
            return value, position
        shift += 7
    if shift == 7 * _MAX_VARINT_BYTES:
        raise PackageError(f"The payload is malformed: {name} has a number of more than ten bytes.")
    raise PackageError(f"The payload is malformed: {name} is cut short.")
