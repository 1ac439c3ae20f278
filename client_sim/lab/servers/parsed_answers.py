"""Answers that are parsed once: what h11 makes of an answer follows from its bytes alone.

Many owners' phones get the same answers, and parsing one took longer than all else in a poll. A
phone still checks what was parsed, each time; only the parser's work is remembered.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import h11

_KEPT: Final = 4_096  # answers of some KiB
_LONGEST: Final = 65_536  # bytes of an answer that is remembered
_DATE: Final = rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}(?::[0-9]{2}){2} GMT"
_UNREAD: Final = re.compile(
    rb'(?<=\r\nDate: )%s(?=\r\n)|(?<=\r\nETag: "sha256-)[0-9a-f]{64}(?="\r\n)' % _DATE
)
_BEHIND: Final = b"\r\n\r\n"
_FRAMED: Final = [h11.Response, h11.Data, h11.EndOfMessage]
_PARTS: Final = (h11.InformationalResponse, h11.Response, h11.Data, h11.EndOfMessage)
# Of the same lengths: a phone counts the bytes of a head, but reads neither date nor tag.
_INSTEAD: Final = {len(value): value for value in (b"Thu, 01 Jan 1970 00:00:00 GMT", b"0" * 64)}


class RememberingParser:
    """Stands in for the parser of a client's connection, while each answer comes whole.

    Any other answer, or one that leaves the connection in another state, goes to the parser itself,
    which has seen nothing yet. So does all that follows.
    """

    def __init__(self, unused: h11.Connection) -> None:
        self._unused = unused
        self._real: h11.Connection | None = None
        self._sent: list[h11.Event] = []
        self._coming: Iterator[h11.Event] | None = None
        self._is_over = False

    @property
    def states(self) -> Mapping[Any, Any]:
        """The states of client and server."""
        if self._real is not None:
            return self._real.states
        return {h11.CLIENT: h11.DONE if self._sent else h11.IDLE}

    @property
    def trailing_data(self) -> tuple[bytes, bool]:
        """The bytes after an answer: none after one that is remembered."""
        return (b"", False) if self._real is None else self._real.trailing_data

    def start_next_cycle(self) -> None:
        """Begin anew after an answer."""
        if self._real is None and self._is_over:
            self._sent, self._coming, self._is_over = [], None, False
            return
        self._take_over().start_next_cycle()

    def send(self, event: h11.Event) -> None:
        """Take note of a part of a request."""
        if self._real is None:
            self._sent.append(event)
        else:
            self._real.send(event)

    def receive_data(self, data: bytes) -> None:
        """Take bytes of an answer."""
        if self._real is None and self._sent and self._coming is None:
            events = _parse_once(data)
            if events:
                self._coming = iter(events)
                return
        self._take_over().receive_data(data)

    def next_event(self) -> Any:  # noqa: ANN401  # as h11 says
        """Return what comes next."""
        if self._real is None and self._sent and self._coming is None:
            return h11.NEED_DATA
        event = None if self._coming is None else next(self._coming, None)
        if event is None:
            return self._take_over().next_event()
        self._is_over = isinstance(event, h11.EndOfMessage)
        return event

    def _take_over(self) -> h11.Connection:
        """Go on with a new parser, which receives what was asked since the last answer."""
        if self._real is None:
            self._real = self._unused
            for event in self._sent:
                self._real.send(event)
        return self._real


def _parse_once(data: bytes) -> tuple[h11.Event, ...]:
    if len(data) > _LONGEST:
        return ()
    head, end, body = data.partition(_BEHIND)
    head = _UNREAD.sub(lambda match: _INSTEAD[len(match[0])], head + end)
    framed = _parse_framed(head, len(body)) if body else ()
    if framed:
        return framed[0], h11.Data(data=body), framed[-1]
    return _parse(head + body)


@lru_cache(_KEPT)
def _parse_framed(head: bytes, length: int) -> tuple[h11.Event, ...]:
    """Parse a head with a body of zeros; gives nothing unless the head states the body's length.

    The end of such a body is not looked for in it, and zeros are no chunk.
    """
    events = _parse(head + bytes(length))
    sizes = [len(event.data) for event in events if isinstance(event, h11.Data)]
    is_framed = [type(event) for event in events] == _FRAMED and sizes == [length]
    return events if is_framed else ()


@lru_cache(_KEPT)
def _parse(data: bytes) -> tuple[h11.Event, ...]:
    """Return the events of an answer to GET that leaves the connection open; else nothing."""
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
                # A phone goes through them four times, which takes long for a sequence of h11's.
                object.__setattr__(event, "headers", tuple(event.headers))
            events.append(event)
    except h11.ProtocolError:
        return ()
    goes_on = machine.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
    return tuple(events) if goes_on and machine.trailing_data == (b"", False) else ()
