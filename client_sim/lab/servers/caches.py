"""Caches of checks and parsed files, for a process that makes very many polls.

The cached results depend only on their input: signature checks on key, signature and bytes; decoded
metadata and profile checks on the file's bytes; decoded parts of packs and checks of their entries
on the part's bytes; parsed answers on the answer. While `memoised` is active, only inputs that are
new to this process are computed. Failures are not cached.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Final

import h11
from securesystemslib.signer import Signature, SSlibKey
from tuf.api.metadata import Metadata

from client_sim.content import fetch, index, store
from client_sim.device import profile, tlog, trust
from client_sim.device.answer import AnswerReader

_FILES: Final = 4_096  # some of which have a hundred pointers
_CHECKS: Final = 16_384
_PARTS_KEPT: Final = 512  # parts of packs; all packs of a server have some dozens
_SIGNED: Final = "_signed_octets"

_KEPT: Final = 4_096  # answers of some KiB
_LENGTH_LIMIT: Final = 65_536  # bytes; longer answers are not cached
_DATE: Final = rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}(?::[0-9]{2}){2} GMT"
_IGNORED: Final = re.compile(
    rb'(?<=\r\nDate: )%s(?=\r\n)|(?<=\r\nETag: "sha256-)[0-9a-f]{64}(?="\r\n)' % _DATE
)
_HEAD_END: Final = b"\r\n\r\n"
_FRAMED: Final = [h11.Response, h11.Data, h11.EndOfMessage]
_PARTS: Final = (h11.InformationalResponse, h11.Response, h11.Data, h11.EndOfMessage)
# Placeholders of the same lengths: a phone counts the bytes of a head, but ignores date and tag.
_PLACEHOLDERS: Final = {
    len(value): value for value in (b"Thu, 01 Jan 1970 00:00:00 GMT", b"0" * 64)
}


@contextmanager
def memoised() -> Iterator[None]:
    """Cache checks and files in this process while the context is active.

    Cached objects are shared, so clients must not change the objects of python-tuf; none does.
    """
    with ExitStack() as undo:

        def replace(owner: object, name: str, new: object) -> None:
            undo.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, new)

        replace(SSlibKey, "verify_signature", _cache_checks(SSlibKey.verify_signature))
        replace(Metadata, "from_bytes", _cache_files(Metadata.from_bytes))
        replace(Metadata, "signed_bytes", _cache_signed_bytes(Metadata.signed_bytes))
        replace(tlog, "verify_note", lru_cache(_CHECKS)(tlog.verify_note))
        replace(trust, "check_root", _cache_passing(profile.check_root))
        replace(trust, "check_targets", _cache_passing(profile.check_targets))
        replace(fetch, "decode_index", _cache_index(index.decode_index))
        replace(store, "decode_part", lru_cache(_PARTS_KEPT)(index.decode_part))
        replace(fetch, "check_entries", _cache_entries(fetch.check_entries))
        replace(AnswerReader, "__init__", _cache_answers(AnswerReader.__init__))
        yield


def _cache_checks(verify: Any) -> Any:  # noqa: ANN401  # a method of a class that is not ours
    @lru_cache(_CHECKS)
    def check(kind: tuple[str, str, str, str], keyid: str, value: str, content: bytes) -> None:
        keytype, scheme, public, own = kind
        verify(SSlibKey(own, keytype, scheme, {"public": public}), Signature(keyid, value), content)

    def verify_signature(self: SSlibKey, signature: Signature, data: bytes) -> None:
        kind = (self.keytype, self.scheme, self.keyval["public"], self.keyid)
        check(kind, signature.keyid, signature.signature, data)

    return verify_signature


def _cache_files(decode: Any) -> Any:  # noqa: ANN401
    @lru_cache(_FILES)
    def decode_once(content: bytes) -> Metadata[Any]:
        metadata: Metadata[Any] = decode(content)
        vars(metadata)[_SIGNED] = None
        return metadata

    def from_bytes(_cls: type, data: bytes, deserializer: object = None) -> Metadata[Any]:
        decoded: Metadata[Any] = (
            decode_once(data) if deserializer is None else decode(data, deserializer)
        )
        return decoded

    return classmethod(from_bytes)


def _cache_signed_bytes(signed_bytes: Any) -> Any:  # noqa: ANN401
    def get(self: Metadata[Any]) -> bytes:
        cached = vars(self)
        if _SIGNED not in cached:
            data: bytes = signed_bytes.fget(self)
        else:
            data = cached[_SIGNED] = cached[_SIGNED] or signed_bytes.fget(self)
        return data

    return property(get)


def _cache_passing(check: Any) -> Any:  # noqa: ANN401  # a check of decoded files
    """Cache the results of a check by the identity of decoded files, which are cached themselves.

    The files are kept with the result, so that their identities are not reused.
    """
    passed: dict[tuple[int, ...], tuple[tuple[object, ...], object]] = {}

    def check_once(*files: object) -> object:
        key = tuple(map(id, files))
        if key not in passed:
            if len(passed) >= _FILES:
                passed.clear()
            passed[key] = (files, check(*files))
        return passed[key][1]

    return check_once


def _cache_index(decode: Any) -> Any:  # noqa: ANN401
    """Cache the index of packs in a decoded file, together with the file's targets."""
    known: dict[tuple[str, int], tuple[object, object, object]] = {}

    def decode_once(role: str, custom: object, targets: object) -> object:
        key = (role, id(custom))
        cached = known.get(key)
        if cached is None or cached[0] is not custom or cached[1] != targets:
            if len(known) >= _FILES:
                known.clear()
            cached = known[key] = (custom, targets, decode(role, custom, targets))
        return cached[2]

    return decode_once


def _cache_entries(check: Any) -> Any:  # noqa: ANN401
    """Cache which entries passed, by identity: entries of the same parts are the same objects."""
    passed: dict[tuple[object, ...], tuple[object, object]] = {}

    def check_once(kind: str, entries: Mapping[str, object], **options: object) -> None:
        key = (kind, *entries, *map(id, entries.values()))
        cached = passed.get(key)
        if cached is None or cached[1] != options:
            check(kind, entries, **options)
            if len(passed) >= _PARTS_KEPT:
                passed.clear()
            passed[key] = (dict(entries), options)  # keeps them, so that their ids are not reused

    return check_once


def _cache_answers(init: Any) -> Any:  # noqa: ANN401
    def make(self: AnswerReader, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        self._machine = CachingParser(self._machine)  # type: ignore[assignment]

    return make


class CachingParser:
    """Replaces the parser of a client's connection as long as each answer arrives in one piece.

    Any other answer, or one that leaves the connection in another state, is passed to the real
    parser, and so is everything after it.
    """

    def __init__(self, unused: h11.Connection) -> None:
        self._unused = unused
        self._real: h11.Connection | None = None
        self._sent: list[h11.Event] = []
        self._pending: Iterator[h11.Event] | None = None
        self._is_over = False

    @property
    def states(self) -> Mapping[Any, Any]:
        """The states of client and server."""
        if self._real is not None:
            return self._real.states
        return {h11.CLIENT: h11.DONE if self._sent else h11.IDLE}

    @property
    def trailing_data(self) -> tuple[bytes, bool]:
        """The bytes after an answer; there are none after a cached one."""
        return (b"", False) if self._real is None else self._real.trailing_data

    def start_next_cycle(self) -> None:
        """Start the next request and answer."""
        if self._real is None and self._is_over:
            self._sent, self._pending, self._is_over = [], None, False
            return
        self._take_over().start_next_cycle()

    def send(self, event: h11.Event) -> None:
        """Record an event of a request."""
        if self._real is None:
            self._sent.append(event)
        else:
            self._real.send(event)

    def receive_data(self, data: bytes) -> None:
        """Receive bytes of an answer."""
        if self._real is None and self._sent and self._pending is None:
            events = _parse_once(data)
            if events:
                self._pending = iter(events)
                return
        self._take_over().receive_data(data)

    def next_event(self) -> Any:  # noqa: ANN401  # as h11 says
        """Return the next event."""
        if self._real is None and self._sent and self._pending is None:
            return h11.NEED_DATA
        event = None if self._pending is None else next(self._pending, None)
        if event is None:
            return self._take_over().next_event()
        self._is_over = isinstance(event, h11.EndOfMessage)
        return event

    def _take_over(self) -> h11.Connection:
        """Continue with the real parser, which first receives the current request."""
        if self._real is None:
            self._real = self._unused
            for event in self._sent:
                self._real.send(event)
        return self._real


def _parse_once(data: bytes) -> tuple[h11.Event, ...]:
    if len(data) > _LENGTH_LIMIT:
        return ()
    head, end, body = data.partition(_HEAD_END)
    head = _IGNORED.sub(lambda match: _PLACEHOLDERS[len(match[0])], head + end)
    framed = _parse_framed(head, len(body)) if body else ()
    if framed:
        return framed[0], h11.Data(data=body), framed[-1]
    return _parse(head + body)


@lru_cache(_KEPT)
def _parse_framed(head: bytes, length: int) -> tuple[h11.Event, ...]:
    """Parse a head with a body of zeros; return nothing unless the head states the body's length.

    The end of such a body does not depend on its content, and zeros are not a valid chunk.
    """
    events = _parse(head + bytes(length))
    sizes = [len(event.data) for event in events if isinstance(event, h11.Data)]
    is_framed = [type(event) for event in events] == _FRAMED and sizes == [length]
    return events if is_framed else ()


@lru_cache(_KEPT)
def _parse(data: bytes) -> tuple[h11.Event, ...]:
    """Return the events of an answer to GET that leaves the connection open, or nothing."""
    machine = h11.Connection(h11.CLIENT)
    machine.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    machine.send(h11.EndOfMessage())
    machine.receive_data(data)
    events: list[h11.Event] = []
    try:
        while not events or not isinstance(events[-1], h11.EndOfMessage):
            event = machine.next_event()
            if not isinstance(event, _PARTS):
                return ()
            if isinstance(event, h11.Response):
                # A phone iterates over them four times, which is slow with h11's own sequence.
                object.__setattr__(event, "headers", tuple(event.headers))
            events.append(event)
    except h11.ProtocolError:
        return ()
    is_reusable = machine.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
    return tuple(events) if is_reusable and machine.trailing_data == (b"", False) else ()
