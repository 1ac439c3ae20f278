"""Byte for byte: equal requests get equal answers, but for the date."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from client_sim.lab.oracles.finding import Finding

_DATE: Final = re.compile(rb"(\r\ndate: ?)[^\r\n]*", re.IGNORECASE)
_SHOWN: Final = 16  # bytes of the difference that are spelled out
_HANDED: Final = frozenset(
    {
        *(b"set-cookie", b"set-cookie2", b"last-modified", b"alt-svc", b"accept-ch", b"nel"),
        *(b"critical-ch", b"report-to", b"reporting-endpoints", b"refresh", b"location"),
        *(b"www-authenticate", b"proxy-authenticate", b"authentication-info", b"expect-ct"),
    }
)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to a question; `who` says in words who asked which server, and when."""

    group: str
    who: str
    answer: bytes


def judge_alike(said: Sequence[Said]) -> Iterator[Finding]:
    """Find answers that differ within one group, each with the most frequent answer."""
    groups: dict[str, list[Said]] = {}
    for one in said:
        groups.setdefault(one.group, []).append(one)
    for group, own in groups.items():
        plain = [hide_date(one.answer) for one in own]
        usual = Counter(plain).most_common(1)[0][0]
        other = own[plain.index(usual)]
        for one, answer in zip(own, plain, strict=True):
            if answer != usual:
                yield _differ(group, one, answer, other, usual)


def judge_pairs(
    here: Mapping[str, bytes], there: Mapping[str, bytes], names: tuple[str, str]
) -> Iterator[Finding]:
    """Find questions that two servers, or one at two times, answered differently."""
    for group, answer in here.items():
        one, other = Said(group, names[0], answer), Said(group, names[1], there.get(group, b""))
        mine, theirs = hide_date(one.answer), hide_date(other.answer)
        if mine != theirs:
            yield _differ(group, one, mine, other, theirs)


def judge_headers(said: Sequence[Said]) -> Iterator[Finding]:
    """Find headers with something for a client to send back, or to follow."""
    seen: set[bytes] = set()
    for one in said:
        head = one.answer.partition(b"\r\n\r\n")[0]
        offset = 0
        for line in head.split(b"\r\n"):
            name = line.partition(b":")[0].strip().lower()
            if name in _HANDED and name not in seen:
                seen.add(name)
                yield Finding(
                    where=f"the answer to {one.group}",
                    explanation=f"{name.decode()} is nothing that a phone may be handed",
                    data=head,
                    offset=offset,
                    length=len(line),
                )
            offset += len(line) + 2


def hide_date(answer: bytes) -> bytes:
    """Return an answer without the value of its `Date`, the only part that may differ."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    return _DATE.sub(rb"\1-", head) + blank + body


def _differ(group: str, one: Said, answer: bytes, other: Said, usual: bytes) -> Finding:
    common = min(len(answer), len(usual))
    places = [place for place in range(common) if answer[place] != usual[place]]
    first = places[0] if places else common
    shown = ", ".join(
        f"{place}: {answer[place]:02x} and {usual[place]:02x}" for place in places[:_SHOWN]
    )
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    lengths = "" if len(answer) == len(usual) else f"; {len(answer)} bytes and {len(usual)}"
    # After the first difference most bytes are only shifted; the bytes shown begin a line before.
    start = max(first - 64, 0)
    return Finding(
        where=f"{group}, {one.who}",
        explanation=(
            f"{one.who} and {other.who} were answered differently from byte {first} on"
            f"{': ' + shown if shown else ''}{more}{lengths}"
        ),
        data=answer[start : first + 192],
        offset=first - start,
        length=_run(places, first),
        other=usual[start : first + 192],
    )


def _run(places: list[int], first: int) -> int:
    """Return how many bytes differ in a row."""
    length = 1
    for number, place in enumerate(places):
        if place != first + number:
            break
        length = number + 1
    return length
