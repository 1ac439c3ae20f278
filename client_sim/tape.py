"""A deterministic stream of bytes from a seed, and fictional values read from it.

Values come from unassigned ranges; `persona.py` lists them.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, TypeVar

_NAMES: Final = ("Sari", "Budi", "Wei", "Ana", "Noor", "Ilse", "Tomas", "Zsófia", "玉兰", "Mehmet")
_CARRIERS: Final = ("Example Tel", "Contoh Seluler", "Test PLMN 1-1", "Beispiel Mobil")
_APPS: Final = ("bank", "chess", "clinic", "dating", "mosque", "parish", "payments", "transit")
_CHOICE = TypeVar("_CHOICE")


def luhn_digit(digits: str) -> str:
    """Compute the check digit of ISO/IEC 7812-1 annex B that follows `digits`."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


class Tape:
    """A deterministic stream: the same seed gives the same values on every machine."""

    def __init__(self, seed: int | bytes) -> None:
        data = seed if isinstance(seed, bytes) else str(seed).encode()
        self._state = hashlib.sha256(b"hening persona v1\x00" + data).digest()
        self._buffer = b""
        self._block = 0

    def data(self, count: int) -> bytes:
        """Read `count` bytes."""
        while len(self._buffer) < count:
            block = self._state + self._block.to_bytes(8, "big")
            self._buffer += hashlib.sha512(block).digest()
            self._block += 1
        result, self._buffer = self._buffer[:count], self._buffer[count:]
        return result

    def below(self, bound: int) -> int:
        """Read a number from 0 to `bound` - 1."""
        return int.from_bytes(self.data(8), "big") % bound

    def digits(self, count: int) -> str:
        """Read `count` decimal digits."""
        return str(self.below(10**count)).zfill(count)

    def pick(self, choices: Sequence[_CHOICE]) -> _CHOICE:
        """Read one of `choices`."""
        return choices[self.below(len(choices))]

    def word(self) -> str:
        """Read 13 letters and digits."""
        return "".join("abcdefghijklmnopqrstuvwxyz234567"[o % 32] for o in self.data(13))

    def name(self) -> str:
        """Read a given name."""
        return self.pick(_NAMES)

    def text(self) -> str:
        """Read the text of a message or note."""
        return f"Meet {self.name()} at {self.word()} {self.below(24)}:{self.below(60):02}"

    def number(self) -> str:
        """Read a telephone number."""
        return "+999" + self.digits(11)

    def mac(self) -> str:
        """Read a locally administered MAC address."""
        return "02:" + self.data(5).hex(":")

    def imei(self) -> str:
        """Read an IMEI with its check digit."""
        body = "001017" + self.digits(8)
        return body + luhn_digit(body)

    def imsi(self) -> str:
        """Read an IMSI."""
        return "00101" + self.digits(10)

    def iccid(self) -> str:
        """Read an ICCID with its check digit."""
        body = "89999" + self.digits(14)
        return body + luhn_digit(body)

    def carrier(self) -> str:
        """Read the name of a carrier."""
        return self.pick(_CARRIERS)

    def app(self) -> str:
        """Read the package name of an app."""
        return f"org.example.{self.pick(_APPS)}.{self.word()}"

    def degrees(self, lowest: int) -> str:
        """Read decimal degrees with six places, whose whole part is `lowest`."""
        return f"{lowest}.{self.digits(6)}"

    def uuid(self) -> str:
        """Read a version 4 UUID."""
        text = self.data(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"
