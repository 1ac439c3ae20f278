"""What stands in several fields, requests or names, put together: a value may be split."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from client_sim.lab.oracles.parts import Part, decode_parts
from client_sim.lab.trace.observation import Observation


def join_fields(observation: Observation) -> tuple[tuple[str, bytes], ...]:
    """Return texts, each with the places of its pieces, in which a split value is whole again.

    The values of all headers of a connection, in their order and in the opposite one; each field
    over all requests, as it is and without what all its values begin and end with; the parameters
    of queries; names asked for without their dots.
    """
    return _join(
        tuple(connection.data for connection in observation.connections()),
        tuple(question.data for question in observation.questions()),
    )


@lru_cache(maxsize=256)  # runs of many owners send the same
def _join(sent: tuple[bytes, ...], names: tuple[bytes, ...]) -> tuple[tuple[str, bytes], ...]:
    connections = [(index, decode_parts(data)) for index, data in enumerate(sent)]
    parts = [part for _, own in connections for part in own]
    texts: dict[bytes, str] = {}
    for where, text in (
        *_over_headers(connections),
        *_over_requests(parts),
        ("parameters of queries", b"".join(_parameters(parts))),
        *_over_names(names),
    ):
        texts.setdefault(text, where)
    return tuple((where, text) for text, where in texts.items() if text)


def _over_headers(connections: Sequence[tuple[int, Sequence[Part]]]) -> Iterator[tuple[str, bytes]]:
    for index, parts in connections:
        values = [part.data for part in parts if part.name.endswith(" value")]
        where = f"all headers of connection {index + 1}"
        yield where, b"".join(values)
        yield f"{where}, backwards", b"".join(values[::-1])


def _over_requests(parts: Sequence[Part]) -> Iterator[tuple[str, bytes]]:
    fields: dict[tuple[int, str], list[bytes]] = {}
    for part in parts:
        fields.setdefault((part.request, part.name), []).append(part.data)
        fields.setdefault((0, part.name), []).append(part.data)
    for (request, name), values in fields.items():
        where = (
            f"{name} of {f'request {request} of each connection' if request else 'all requests'}"
        )
        if len(set(values)) > 1:
            yield where, b"".join(values)
            yield f"{where}, where they differ", b"".join(_differing(values))


def _differing(values: Sequence[bytes]) -> Iterator[bytes]:
    """Cut off what all values begin with, and what all end with."""
    shortest, longest = min(values), max(values)
    start = _common(shortest, longest)
    rests = [value[start:] for value in values]
    turned = [rest[::-1] for rest in rests]
    end = _common(min(turned), max(turned))
    for rest in rests:
        yield rest[: len(rest) - end]


def _common(first: bytes, second: bytes) -> int:
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)


def _parameters(parts: Sequence[Part]) -> Iterator[bytes]:
    for part in parts:
        if part.name == "query":
            for parameter in part.data[1:].split(b"&"):
                yield parameter.partition(b"=")[2] or parameter


def _over_names(names: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    yield "labels of names", b"".join(name.replace(b".", b"") for name in dict.fromkeys(names))
    yield "first labels of names", b"".join(name.split(b".")[0] for name in names)
