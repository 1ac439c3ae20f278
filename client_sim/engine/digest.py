"""SHA-256 whose state can be saved and restored after a power cut, as in update_engine.

Python's hashlib does not expose its state, so this module uses OpenSSL's SHA256_CTX if the system
has OpenSSL as a shared library. Otherwise a digest cannot be saved, and an interrupted update
starts over.
"""

import ctypes
import functools
import hashlib
from typing import Final

from client_sim.engine.errors import SlotError

_LIBRARIES: Final = (
    *("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so.4"),
    "/usr/lib/libcrypto.dylib",
)


class _Context(ctypes.Structure):
    """OpenSSL's SHA256_CTX, the same since 0.9.8."""

    _fields_ = (
        ("h", ctypes.c_uint32 * 8),
        ("low", ctypes.c_uint32),
        ("high", ctypes.c_uint32),
        ("data", ctypes.c_uint32 * 16),
        ("num", ctypes.c_uint),
        ("size", ctypes.c_uint),
    )


STATE_BYTES: Final = ctypes.sizeof(_Context)
"""The length of a saved state."""


class SavedDigest:
    """A SHA-256 whose state can be saved as bytes; `update` releases the GIL."""

    def __init__(self, library: ctypes.CDLL, state: bytes | None = None) -> None:
        self._library = library
        self._context = _Context()
        if state is None:
            library.SHA256_Init(ctypes.byref(self._context))
            return
        ctypes.memmove(ctypes.byref(self._context), state, STATE_BYTES)
        # OpenSSL does not check these two fields.
        if self._context.num >= 64 or self._context.size != 32:
            raise SlotError("The state of the update on this phone is damaged; start it again.")

    def update(self, data: bytes, start: int = 0, stop: int | None = None) -> None:
        """Add `data[start:stop]`."""
        start, stop, _ = slice(start, stop).indices(len(data))
        if start < stop:
            # The pointer stays valid: `data` is alive until the call returns.
            address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
            self._library.SHA256_Update(
                ctypes.byref(self._context), ctypes.c_void_p(address + start), stop - start
            )

    def digest(self) -> bytes:
        """Return the sha256 of all that was added so far."""
        context = _Context.from_buffer_copy(self._context)
        out = ctypes.create_string_buffer(32)
        self._library.SHA256_Final(out, ctypes.byref(context))
        return out.raw

    def copy(self) -> "SavedDigest":
        """Return another digest of the same bytes."""
        return SavedDigest(self._library, bytes(self._context))

    def save(self) -> bytes | None:
        """Return the state for `open_digest`."""
        return bytes(self._context)


class PlainDigest:
    """A SHA-256 of hashlib, whose state cannot be saved."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def copy(self) -> "PlainDigest":
        """Return another digest of the same bytes."""
        other = PlainDigest()
        other._digest = self._digest.copy()
        return other

    def update(self, data: bytes, start: int = 0, stop: int | None = None) -> None:
        """Add `data[start:stop]`."""
        self._digest.update(memoryview(data)[start:stop])

    def digest(self) -> bytes:
        """Return the sha256 of all that was added so far."""
        return self._digest.digest()

    def save(self) -> bytes | None:
        """Return None: the state is not available."""
        return None


Digest = SavedDigest | PlainDigest


def open_digest(state: bytes | None = None) -> Digest:
    """Return an empty SHA-256, or one that continues from a saved state.

    Raises SlotError for a state that is damaged or that this machine cannot restore.
    """
    library = _load_library()
    if state is None:
        return PlainDigest() if library is None else SavedDigest(library)
    if library is None or len(state) != STATE_BYTES:
        raise SlotError("The state of the update on this phone cannot be used; start it again.")
    return SavedDigest(library, state)


@functools.cache
def _load_library() -> ctypes.CDLL | None:
    """Return OpenSSL's library if it exists and computes the same digests as hashlib."""
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            pointer = ctypes.POINTER(_Context)
            library.SHA256_Init.argtypes = (pointer,)
            library.SHA256_Update.argtypes = (pointer, ctypes.c_void_p, ctypes.c_size_t)
            library.SHA256_Final.argtypes = (ctypes.c_char_p, pointer)
        except (OSError, AttributeError):
            continue
        if _is_right(library):
            return library
    return None


def _is_right(library: ctypes.CDLL) -> bool:
    sample = bytes(range(256)) * 3
    first = SavedDigest(library)
    first.update(sample, 1, 100)
    state = first.save()
    second = SavedDigest(library, state)
    second.update(sample, 100)
    return second.digest() == hashlib.sha256(sample[1:]).digest()
