"""A submission on its way in: `bundle.json`, which is one line, and the role files in its order.

Source: docs/FORMATS.md section 6. What is held in memory is one role file and one piece of a
socket, however much there is to come.
"""

from collections.abc import AsyncIterator

from server.core.errors import FormatError


class Intake:
    """Cuts the octets of one submission into its parts."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._held = bytearray()

    async def line(self, limit: int) -> bytes:
        """Return what ends with the first line feed; raises FormatError beyond `limit`."""
        while b"\n" not in self._held and len(self._held) < limit:
            if not await self._more():
                break
        length = self._held.find(b"\n") + 1
        if not 0 < length <= limit:
            raise FormatError(
                f"the submission does not begin with bundle.json, one line of at most {limit}"
                " octets."
            )
        return self._cut(length)

    async def take(self, length: int) -> bytes:
        """Return the next `length` octets; raises FormatError when there are fewer."""
        while len(self._held) < length:
            if not await self._more():
                raise FormatError("the submission ends before the last role file that it names.")
        return self._cut(length)

    async def skip(self, length: int) -> None:
        """Pass over `length` octets, or as many as there are."""
        while length > 0 and (self._held or await self._more()):
            length -= len(self._cut(min(length, len(self._held))))

    async def end(self) -> None:
        """Raise FormatError unless this is the end."""
        if self._held or await self._more():
            raise FormatError("the submission holds more than the role files that it names.")

    async def _more(self) -> bool:
        piece = await anext(self._pieces, b"")
        self._held += piece
        return bool(piece)

    def _cut(self, length: int) -> bytes:
        octets = bytes(self._held[:length])
        del self._held[:length]
        return octets
