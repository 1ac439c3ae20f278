"""A body on its way to the store: hashed, counted, and looked at for what is no ciphertext."""

import hashlib
import hmac
from collections.abc import AsyncIterable, AsyncIterator

from server.cloud.errors import CloudError
from server.cloud.gate import SAMPLE, check_ciphertext

MAX_BODY = 256 * 1024 * 1024
"""Bytes of an object; restic's packs have 16 MiB, 128 MiB at most."""
MAX_SMALL = 64 * 1024
"""Bytes of a key or a lock."""


class Receiving:
    """Hands the pieces of a body on; `length` is how many bytes passed.

    A body that `is_encrypted` is refused unless it looks so.
    """

    def __init__(
        self,
        pieces: AsyncIterable[bytes],
        name: str | None,
        limit: int,
        *,
        is_encrypted: bool,
    ) -> None:
        self._pieces = pieces
        self._name = name
        self._limit = limit
        self._is_encrypted = is_encrypted
        self.length = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces; raises CloudError above the limit, or unless `name` is their sha256."""
        digest, begin, is_judged = hashlib.sha256(), bytearray(), not self._is_encrypted
        async for piece in self._pieces:
            self.length += len(piece)
            if self.length > self._limit:
                raise CloudError(413, "too_large", f"an object may have {self._limit} bytes here.")
            digest.update(piece)
            if not is_judged:
                begin += piece[: SAMPLE - len(begin)]
                if len(begin) == SAMPLE:
                    check_ciphertext(bytes(begin), "this object")
                    is_judged, begin = True, bytearray()
            yield piece
        if not is_judged:
            check_ciphertext(bytes(begin), "this object")
        if self._name is not None and not hmac.compare_digest(digest.hexdigest(), self._name):
            raise CloudError(
                400, "wrong_hash", "the body does not hash to its name; send it again."
            )
