"""Tells good ed25519 public keys from those with which anybody can sign."""

from functools import lru_cache

from nacl.bindings import crypto_core_ed25519_is_valid_point


@lru_cache(maxsize=256)
def is_good_point(octets: bytes) -> bool:
    """Tell whether 32 octets are the canonical encoding of a point in the main subgroup.

    That refuses small order and non-canonical encodings (FORMATS section 2, rule 3), and points
    of mixed order too, which no key generation makes.
    """
    return len(octets) == 32 and crypto_core_ed25519_is_valid_point(octets)
