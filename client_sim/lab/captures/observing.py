"""A capture as the lab's own trace: the type that oracles read, whatever recorded it.

Nothing that left is left out: what is neither a question nor of a connection, what contradicts
other bytes and what stands next to a question are departures of their own. Names asked for over TCP
are questions, and the connections that carried them are none. Of a connection that cannot be read
there is no byte, only what the network saw of it. The phase of a departure is its place in the
capture, as nothing says which poll it belongs to.
"""

from collections.abc import Iterator

from client_sim.lab.captures.seen import Asked, Capture, Conversation, State
from client_sim.lab.trace.observation import RESET, Channel, Departure, Observation


def observe_capture(capture: Capture) -> Observation:
    """Return the trace of a capture, by time; its connections are those of `list_talks`.

    There is no randomness, no outcome and no byte of answers in it.
    """
    talks = list_talks(capture)
    departures = [each for index, talk in enumerate(talks) for each in _connect(index, talk)]
    for asked in capture.asked:
        departures += _ask(asked)
    for talk in capture.conversations:
        departures += _beside(talk)
    for loose in capture.loose:
        label = f"{loose.label}, {loose.where}".removesuffix(", ")
        departures.append(Departure(loose.at, label, Channel.OTHER, -1, loose.data))
    # The sort keeps the order of what left at the same time, and so of a connection.
    departures.sort(key=lambda departure: departure.at)
    nothing = (b"",) * len(talks)
    return Observation(tuple(departures), (), (), nothing, None)


def list_talks(capture: Capture) -> tuple[Conversation, ...]:
    """Return the connections of a capture that ask for no names."""
    return tuple(talk for talk in capture.conversations if talk.state is not State.NAMES)


def _connect(index: int, talk: Conversation) -> Iterator[Departure]:
    at = talk.at

    def leave(channel: Channel, data: bytes) -> Departure:
        return Departure(at, talk.where, channel, index, data)

    yield leave(Channel.CONNECT, talk.target)
    if talk.wire is not None:
        yield leave(Channel.TLS, talk.wire.parameters)
        yield leave(Channel.SIZES, talk.wire.sizes)
    if talk.state is not State.ENCRYPTED:
        start = 0
        for when, size in talk.pieces or ((talk.at, len(talk.data)),):
            at = max(at, when)  # clocks are set back, and captures may be made up
            if size:
                yield leave(Channel.BYTES, talk.data[start : start + size])
            start += size
    if talk.closed is not None:
        at = max(at, talk.closed)
        yield leave(Channel.CLOSE, RESET if talk.is_reset else b"")


def _ask(asked: Asked) -> Iterator[Departure]:
    yield Departure(asked.at, asked.where, Channel.DNS, -1, asked.name)
    if asked.extra:
        where = f"bytes beside a question, {asked.where}"
        yield Departure(asked.at, where, Channel.OTHER, -1, asked.extra)


def _beside(talk: Conversation) -> Iterator[Departure]:
    """Yield what a connection sent besides its bytes."""
    told = [(f"{talk.where}, {label}", data) for label, data in (*talk.odd, *talk.readings)]
    if talk.hello is not None and talk.hello.session:
        told.append((f"session of {talk.where}", talk.hello.session))
    for where, data in told:
        yield Departure(talk.at, where, Channel.OTHER, -1, data)
