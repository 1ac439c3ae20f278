"""Judges of a single run, which return the results of the other modules as findings."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.completion import find_incompletions
from client_sim.lab.oracles.connections import find_strays
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.grammar import find_violations
from client_sim.lab.oracles.parts import find_part, join_fields
from client_sim.lab.oracles.timing import judge_due, judge_range, judge_silence
from client_sim.lab.oracles.views import Windows
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.world import Public

_SEEN: Final = Windows()  # of all runs: bytes that several phones send are searched once


def host_line(public: Public) -> bytes:
    """Return the required value of Host, with the port unless it is the scheme's default."""
    usual = public.port == (443 if public.tls else 80)
    return (public.host if usual else f"{public.host}:{public.port}").encode()


def judge_completion(observation: Observation, public: Public) -> tuple[Finding, ...]:
    """Find incomplete polls and the exception that ended the run: silence proves nothing."""
    return tuple(
        _finding(i.departure, i.explanation)
        if i.connection is None
        else Finding(
            _where(i.connection.index, i.connection.phase),
            i.explanation,
            i.connection.data,
            0,
            len(i.connection.data),
            channel=Channel.BYTES.value,
            field="requests",
        )
        for i in find_incompletions(observation, public)
    )


def judge_grammar(observation: Observation, public: Public) -> tuple[Finding, ...]:
    """Find bytes that the request table does not allow."""
    return tuple(
        Finding(
            _where(connection.index, connection.phase),
            f"{violation.rule}: {violation.explanation}",
            connection.data,
            violation.offset,
            len(violation.data),
            channel=Channel.BYTES.value,
            field=_field(connection.data, violation.offset),
        )
        for connection in observation.connections()
        for violation in find_violations(connection.data, host_line(public))
    )


def judge_schedule(observation: Observation) -> tuple[Finding, ...]:
    """Find intervals out of range, due times that moved, and data sent between polls."""
    return (*judge_range(observation), *judge_due(observation), *judge_silence(observation))


def judge_egress(observation: Observation, public: Public) -> tuple[Finding, ...]:
    """Find names and connection targets other than the ROM's."""
    return tuple(
        _finding(s.departure, s.explanation, s.field) for s in find_strays(observation, public)
    )


def judge_reads(observation: Observation) -> tuple[Finding, ...]:
    """Find reads of the owner's data, each field once."""
    first = {read.field: read.phase for read in reversed(observation.reads)}
    return tuple(
        Finding(
            *(phase, f"the client read {field}", field.encode(), 0, len(field)),
            channel="the owner's data",
            field=field,
        )
        for field, phase in first.items()
    )


def judge_canaries(observation: Observation, search: CanarySearch) -> tuple[Finding, ...]:
    """Find planted values in everything that was sent, with their encodings.

    Values that are split over several fields are searched only if no whole value is found.
    """
    places = [(Channel.BYTES, _where(c.index, c.phase), c.data) for c in observation.connections()]
    places += [
        (d.channel, f"{d.channel.value}, {d.phase}", d.data)
        for d in observation.departures
        if d.channel in {Channel.DNS, Channel.CONNECT, Channel.TLS, Channel.DETOUR}
    ]
    joined = [
        (Channel.DNS if where.endswith(" of names") else Channel.BYTES, where, data)
        for where, data in join_fields(observation)
    ]
    _SEEN.add({data for _, _, data in (*places, *joined)})
    if search.is_absent(_SEEN):
        return ()
    return tuple(_canaries(places, search)) or tuple(
        replace(finding, field=finding.where) for finding in _canaries(joined, search)
    )


def _canaries(
    places: Sequence[tuple[Channel, str, bytes]], search: CanarySearch
) -> Iterator[Finding]:
    for channel, where, data in places:
        for sighting in search.search_again(data):
            dress = " → ".join(sighting.chain) or "it is"
            yield Finding(
                where,
                f"{sighting.field} as {dress}: {sighting.value.decode()}",
                data,
                sighting.offset,
                len(sighting.data),
                channel=channel.value,
                field=(
                    _field(data, sighting.offset) if channel is Channel.BYTES else channel.value
                ),
            )


def judge_far_end(observation: Observation) -> tuple[Finding, ...]:
    """Find connections on which the server received other bytes than the client sent."""
    if observation.far_end is None:
        return ()
    return tuple(
        Finding(
            _where(connection.index, connection.phase),
            "the server received other bytes than the client sent",
            connection.data,
            0,
            len(connection.data),
            received,
            channel=Channel.BYTES.value,
            field="other end",
        )
        for connection, received in zip(observation.connections(), observation.far_end, strict=True)
        if connection.data != received
    )


def _where(index: int, phase: str) -> str:
    return f"connection {index + 1}, {phase}"


def _finding(departure: Departure, explanation: str, field: str = "") -> Finding:
    where = f"{departure.channel.value}, {departure.phase}"
    return Finding(
        where,
        explanation,
        departure.data,
        0,
        len(departure.data),
        channel=departure.channel.value,
        field=field or departure.channel.value,
    )


def _field(data: bytes, offset: int) -> str:
    part = find_part(data, offset)
    return "" if part is None else f"request {part.request}, {part.name}"
