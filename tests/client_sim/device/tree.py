"""RFC 6962 trees by the recursive definition, as an oracle for the phone's iterative check."""

import hashlib
from functools import lru_cache


def leaf(entry):
    """Hash a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def root_hash(entries):
    """Return MTH(D[n]) of RFC 6962 section 2.1."""
    return _root_hash(tuple(entries))


@lru_cache(1 << 12)
def _root_hash(entries):
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return leaf(entries[0])
    k = split(len(entries))
    return node(_root_hash(entries[:k]), _root_hash(entries[k:]))


def path(index, entries):
    """Return PATH(m, D[n]) of RFC 6962 section 2.1.1, leaf to root."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if index < k:
        return [*path(index, entries[:k]), root_hash(entries[k:])]
    return [*path(index - k, entries[k:]), root_hash(entries[:k])]


def node(left, right):
    """Hash an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n):
    """Return the largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1
