"""A strict reader of the protobuf wire format (proto2), for the few messages an update holds.

Fields that nobody asks for are skipped after their wire type was checked. Refused are groups,
field number 0, varints longer than needed or wider than 64 bits, anything cut short, and a second
value for a field that holds one.
"""

from dataclasses import dataclass
from typing import Final

from client_sim.engine.errors import PackageError

# A manifest of a whole phone has some ten thousand fields at its top and in each partition; this
# bounds memory.
MAX_FIELDS: Final = 600_000

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5


@dataclass(frozen=True, slots=True)
class Message:
    """One decoded level of a message; nested messages are decoded when they are asked for."""

    name: str
    fields: dict[int, list[tuple[int, int | bytes]]]

    def integer(self, number: int, *, default: int = 0, bits: int = 64) -> int:
        """Return the unsigned integer in field `number`, below 2**bits, or `default` if absent.

        Raises PackageError if the field has another wire type, is repeated or is too big.
        """
        value = self._single(number, _VARINT)
        if value is None:
            return default
        if not isinstance(value, int) or value >> bits:
            raise PackageError(f"Field {number} of {self.name} is wider than {bits} bits.")
        return value

    def fixed32(self, number: int) -> int | None:
        """Return the fixed32 in field `number`, or None if it is absent."""
        value = self._single(number, _FIXED32)
        return value if isinstance(value, int) else None

    def octets(self, number: int) -> bytes | None:
        """Return the bytes in field `number`, or None if it is absent."""
        value = self._single(number, _BYTES)
        return value if isinstance(value, bytes) else None

    def text(self, number: int) -> str:
        """Return the UTF-8 text in field `number`, or the empty string if it is absent."""
        octets = self.octets(number) or b""
        try:
            return octets.decode()
        except UnicodeDecodeError:
            raise PackageError(f"Field {number} of {self.name} is not UTF-8 text.") from None

    def message(self, number: int, name: str) -> "Message | None":
        """Return the nested message in field `number`, or None if it is absent."""
        octets = self.octets(number)
        return None if octets is None else decode_message(octets, name)

    def repeated(self, number: int) -> list[bytes]:
        """Return the bytes of every value of the repeated message field `number`, in order."""
        found = []
        for wire_type, value in self.fields.get(number, []):
            if wire_type != _BYTES or not isinstance(value, bytes):
                raise PackageError(f"Field {number} of {self.name} has the wrong wire type.")
            found.append(value)
        return found

    def has(self, number: int) -> bool:
        """Tell whether field `number` is there."""
        return number in self.fields

    def _single(self, number: int, wire_type: int) -> int | bytes | None:
        values = self.fields.get(number)
        if values is None:
            return None
        if len(values) > 1:
            raise PackageError(f"Field {number} of {self.name} appears more than once.")
        found, value = values[0]
        if found != wire_type:
            raise PackageError(f"Field {number} of {self.name} has the wrong wire type.")
        return value


def decode_message(data: bytes, name: str) -> Message:
    """Decode one level of a protobuf message; `name` is what errors call it.

    Raises PackageError for anything that is not a well-formed message.
    """
    fields: dict[int, list[tuple[int, int | bytes]]] = {}
    position = 0
    count = 0
    while position < len(data):
        count += 1
        if count > MAX_FIELDS:
            raise PackageError(
                f"The payload is malformed: {name} has more than {MAX_FIELDS} fields."
            )
        key, position = _decode_varint(data, position, name)
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise PackageError(f"The payload is malformed: {name} has a field number out of range.")
        value: int | bytes
        if wire_type == _VARINT:
            value, position = _decode_varint(data, position, name)
        else:
            if wire_type == _BYTES:
                length, position = _decode_varint(data, position, name)
            elif wire_type == _FIXED32:
                length = 4
            elif wire_type == _FIXED64:
                length = 8
            else:
                raise PackageError(
                    f"The payload is malformed: {name} has a field of wire type {wire_type}."
                )
            if length > len(data) - position:
                raise PackageError(f"The payload is malformed: {name} is cut short.")
            value = data[position : position + length]
            position += length
            if wire_type != _BYTES:
                value = int.from_bytes(value, "little")
        fields.setdefault(number, []).append((wire_type, value))
    return Message(name, fields)


def _decode_varint(data: bytes, position: int, name: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise PackageError(f"The payload is malformed: {name} is cut short.")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64 or (byte == 0 and shift):
                raise PackageError(
                    f"The payload is malformed: {name} has a number not in its shortest form."
                )
            return value, position
    raise PackageError(f"The payload is malformed: {name} has a number of more than ten bytes.")
