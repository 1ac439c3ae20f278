"""Reads a TLS client hello by hand: RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hello:
    """The parts of a client hello; `extensions` by number, in their order."""

    random: bytes
    session_id: bytes
    ciphers: tuple[int, ...]
    compressions: bytes
    extensions: dict[int, bytes]

    @property
    def constant(self):
        """Return what may not differ from one connection to the next."""
        # 51 is key_share; of it the groups and lengths stay the same.
        rest = {
            number: _without_keys(data) if number == 51 else data
            for number, data in self.extensions.items()
        }
        return len(self.session_id), self.ciphers, self.compressions, tuple(rest.items())


class _Reader:
    def __init__(self, data):
        self._data = data
        self._at = 0

    @property
    def left(self):
        """Tell how many bytes are left."""
        return len(self._data) - self._at

    def take(self, size):
        """Take bytes."""
        assert size <= self.left
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size):
        """Take a number."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size):
        """Take a length and as many bytes."""
        return self.take(self.number(size))


def read_hello(record):
    """Read the one record that a client sends first."""
    reader = _Reader(record)
    assert reader.number(1) == 22  # handshake
    reader.number(2)
    handshake = _Reader(reader.vector(2))
    assert reader.left == 0
    assert handshake.number(1) == 1  # client_hello
    body = _Reader(handshake.vector(3))
    assert handshake.left == 0
    assert body.number(2) == 0x0303
    random, session_id, ciphers = body.take(32), body.vector(1), _Reader(body.vector(2))
    numbers = []
    while ciphers.left:
        numbers.append(ciphers.number(2))
    compressions = body.vector(1)
    rest, extensions = _Reader(body.vector(2)), {}
    while rest.left:
        number = rest.number(2)
        extensions[number] = rest.vector(2)
    return Hello(random, session_id, tuple(numbers), compressions, extensions)


def _without_keys(data):
    shares = _Reader(_Reader(data).vector(2))
    found = []
    while shares.left:
        found.append((shares.number(2), len(shares.vector(2))))
    return tuple(found)
