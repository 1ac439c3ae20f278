"""Finds secrets in a program's output, in every usual encoding."""

import base64
import gc
import hashlib
import types
from collections.abc import Iterator


class Leaks:
    """Searches for secrets, given as bytes: raw, in hex, in base64, and as Python's repr.

    Base64 is searched at each of its three alignments, across line ends and in both alphabets. So a
    secret inside other data is found too, such as a seed in PKCS #8.
    """

    def __init__(self, **secrets: bytes) -> None:
        self._forms = [
            (name, form, data) for name, secret in secrets.items() for form, data in _forms(secret)
        ]

    def find(self, data: bytes | str) -> set[tuple[str, str]]:
        """Return the names and forms of the secrets that `data` contains."""
        content = data.encode(errors="surrogateescape") if isinstance(data, str) else data
        joined = content.translate(None, b"\r\n\t ")
        return {
            (name, form)
            for name, form, needle in self._forms
            if needle in content or needle in joined
        }

    def find_reachable(self, *objects: object) -> set[tuple[str, str]]:
        """Return the secrets in all text and bytes reachable from `objects`, at any depth."""
        return {each for held in _reachable(objects) for each in self.find(_show(held))}


def seed_forms(name: str, seed: bytes) -> dict[str, bytes]:
    """Return an Ed25519 seed and the two halves derived in RFC 8032 section 5.1.5, by name."""
    digest = hashlib.sha512(seed).digest()
    scalar = bytearray(digest[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    return {name: seed, f"{name}_scalar": bytes(scalar), f"{name}_prefix": digest[32:]}


def _forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield "raw", secret
    yield "hex", secret.hex().encode()
    yield "hex", secret.hex().upper().encode()
    yield "repr", repr(secret)[2:-1].encode()
    yield "numbers", ",".join(map(str, secret)).encode()
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + secret)
        # The characters at both ends also depend on the bytes next to the secret.
        inner = text[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6]
        yield "base64", inner
        yield "base64", inner.translate(bytes.maketrans(b"+/", b"-_"))


def _show(held: bytes | bytearray | str) -> bytes:
    return held.encode(errors="surrogatepass") if isinstance(held, str) else bytes(held)


def _reachable(objects: tuple[object, ...]) -> Iterator[bytes | bytearray | str]:
    # Code and classes lead to everything, this test and its secrets included.
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.FrameType)
    waiting, seen = list(objects), set()
    while waiting:
        held = waiting.pop()
        if id(held) in seen or isinstance(held, code):
            continue
        seen.add(id(held))
        if isinstance(held, bytes | bytearray | str):
            yield held
        waiting += gc.get_referents(held)
        if isinstance(held, dict):  # a dictionary's referents lack its keys if all are text
            waiting += held
