"""What TLS itself may show: one configuration for the whole fleet, and nothing from before."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.world import Public


def judge_tls(observation: Observation, public: Public) -> tuple[Finding, ...]:
    """Find connections that name another host, offer another protocol, or come back to a session.

    Looks at what a network saw; says nothing of runs without one. RFC 8446 section 2.2 is what
    resumption is, and why it lets a server know a client again.
    """
    return tuple(
        finding
        for departure in observation.departures
        if departure.channel is Channel.TLS
        for finding in _judge(departure, public)
    )


def judge_handshakes(observation: Observation) -> tuple[Finding, ...]:
    """Find connections of one phone that begin otherwise than its first, randomness apart."""
    seen = [d for d in observation.departures if d.channel is Channel.TLS]
    return tuple(
        replace(
            _finding(each, "the handshake is not that of the first", "handshake"),
            other=seen[0].data,
        )
        for each in seen[1:]
        if each.data != seen[0].data
    )


def _judge(departure: Departure, public: Public) -> Iterator[Finding]:
    told = _read(departure.data)
    if not public.tls:
        return
    expected = {
        "name": public.host,
        "protocols": "http/1.1",
        "resumes": "no",
        "early-data": "no",
    }
    for name, value in expected.items():
        if told.get(name) != value:
            words = f"{name} is {told.get(name, 'nowhere')}, not {value}"
            yield _finding(departure, words, name)


def _read(data: bytes) -> Mapping[str, str]:
    return dict(line.split(" ", 1) for line in data.decode("latin-1").split("\n") if " " in line)


def _finding(departure: Departure, explanation: str, field: str) -> Finding:
    return Finding(
        where=f"{departure.channel.value}, {departure.phase}",
        explanation=explanation,
        data=departure.data,
        offset=0,
        length=len(departure.data),
        channel=departure.channel.value,
        field=field,
    )
