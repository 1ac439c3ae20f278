"""Follows brotli data of any length and tells how long they are when they are unpacked."""

import brotli

_PIECE = 1 << 20


class BrotliSize:
    """The unpacked length of a brotli stream behind the interface of a hash.

    `digest` is 8 bytes big-endian; empty when the stream cannot be unpacked, does not end where
    its bytes end, or goes on beyond `limit`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._decoder = brotli.Decompressor()
        self._size, self._is_bad = 0, False

    def update(self, data: memoryview, /) -> None:
        """Take the next packed bytes."""
        rest: bytes | memoryview = data
        try:
            while not self._is_bad:
                if self._decoder.is_finished():
                    self._is_bad = len(rest) > 0
                    break
                piece = self._decoder.process(rest, output_buffer_limit=_PIECE)
                self._size += len(piece)
                self._is_bad = self._size > self._limit
                # Without new input it goes on with what waits inside, until nothing comes.
                rest = b""
                if not piece and self._decoder.can_accept_more_data():
                    break
        except brotli.error:
            self._is_bad = True

    def digest(self) -> bytes:
        """Return the length, or nothing."""
        # A decoder that has failed does not answer any more.
        is_whole = not self._is_bad and self._decoder.is_finished()
        return self._size.to_bytes(8) if is_whole else b""
