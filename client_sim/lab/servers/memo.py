"""Checks that are not made twice, for a process that makes very many polls.

Whether a key made a signature of some bytes follows from these three alone; what a metadata file
says, and whether it keeps to the profile, from its bytes; what an answer says from the answer. All
of this is remembered while `memoised` is active, so that a client pays for what is new to this
process only. Refusals are not remembered.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Final

from securesystemslib.signer import Signature, SSlibKey
from tuf.api.metadata import Metadata

from client_sim.content import fetch, index
from client_sim.device import profile, tlog, trust
from client_sim.device.answer import AnswerReader
from client_sim.lab.servers.parsed_answers import RememberingParser

_FILES: Final = 4_096  # some of which have a hundred pointers
_CHECKS: Final = 16_384
_KEPT: Final = "_signed_octets"


@contextmanager
def memoised() -> Iterator[None]:
    """Remember checks and files in this process from here to the end of the block.

    Clients that change what python-tuf gave them would see each other's changes; none does.
    """
    with ExitStack() as undo:

        def replace(owner: object, name: str, new: object) -> None:
            undo.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, new)

        replace(SSlibKey, "verify_signature", _remember_checks(SSlibKey.verify_signature))
        replace(Metadata, "from_bytes", _remember_files(Metadata.from_bytes))
        replace(Metadata, "signed_bytes", _remember_bytes(Metadata.signed_bytes))
        replace(tlog, "verify_note", lru_cache(_CHECKS)(tlog.verify_note))
        replace(trust, "check_root", _remember_passing(profile.check_root))
        replace(trust, "check_targets", _remember_passing(profile.check_targets))
        replace(fetch, "decode_index", _remember_index(index.decode_index))
        replace(AnswerReader, "__init__", _remember_answers(AnswerReader.__init__))
        yield


def _remember_checks(verify: Any) -> Any:  # noqa: ANN401  # a method of a class that is not ours
    @lru_cache(_CHECKS)
    def check(kind: tuple[str, str, str, str], keyid: str, value: str, content: bytes) -> None:
        keytype, scheme, public, own = kind
        verify(SSlibKey(own, keytype, scheme, {"public": public}), Signature(keyid, value), content)

    def verify_signature(self: SSlibKey, signature: Signature, data: bytes) -> None:
        kind = (self.keytype, self.scheme, self.keyval["public"], self.keyid)
        check(kind, signature.keyid, signature.signature, data)

    return verify_signature


def _remember_files(decode: Any) -> Any:  # noqa: ANN401
    @lru_cache(_FILES)
    def decode_once(content: bytes) -> Metadata[Any]:
        metadata: Metadata[Any] = decode(content)
        vars(metadata)[_KEPT] = None
        return metadata

    def from_bytes(_cls: type, data: bytes, deserializer: object = None) -> Metadata[Any]:
        decoded: Metadata[Any] = (
            decode_once(data) if deserializer is None else decode(data, deserializer)
        )
        return decoded

    return classmethod(from_bytes)


def _remember_bytes(signed_bytes: Any) -> Any:  # noqa: ANN401
    def get(self: Metadata[Any]) -> bytes:
        kept = vars(self)
        if _KEPT not in kept:
            data: bytes = signed_bytes.fget(self)
        else:
            data = kept[_KEPT] = kept[_KEPT] or signed_bytes.fget(self)
        return data

    return property(get)


def _remember_passing(check: Any) -> Any:  # noqa: ANN401  # a check of decoded files
    """Remember what a check gave for decoded files, which are the same objects for the same bytes.

    They are kept with what it gave, so that no other object has the identity of one of them.
    """
    passed: dict[tuple[int, ...], tuple[tuple[object, ...], object]] = {}

    def check_once(*files: object) -> object:
        place = tuple(map(id, files))
        if place not in passed:
            if len(passed) >= _FILES:
                passed.clear()
            passed[place] = (files, check(*files))
        return passed[place][1]

    return check_once


def _remember_index(decode: Any) -> Any:  # noqa: ANN401
    """Remember the index of packs in a decoded file, together with the file's targets."""
    known: dict[tuple[str, int], tuple[object, object, object]] = {}

    def decode_once(role: str, custom: object, targets: object) -> object:
        place = (role, id(custom))
        kept = known.get(place)
        if kept is None or kept[0] is not custom or kept[1] != targets:
            if len(known) >= _FILES:
                known.clear()
            kept = known[place] = (custom, targets, decode(role, custom, targets))
        return kept[2]

    return decode_once


def _remember_answers(init: Any) -> Any:  # noqa: ANN401
    def make(self: AnswerReader, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        self._machine = RememberingParser(self._machine)  # type: ignore[assignment]

    return make
