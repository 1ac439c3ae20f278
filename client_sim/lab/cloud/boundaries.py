"""C0 at every boundary: turned off when something leaves or comes, nothing more leaves."""

from collections.abc import Iterator
from typing import Final

from client_sim.lab.cloud.lives import Life, Seen, live, make_owner, steps
from client_sim.lab.cloud.phone import CloudPhone, Factory, Step
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Channel, Departure

_LIFE: Final = steps(
    "own:contact,note,photo sign-up consent words on:contact,note,photo sync due restart due"
)
_FIRST: Final = next(n for n, step in enumerate(_LIFE) if step.name == "sync")
_KINDS: Final = ("contact", "note", "photo")
_LEAVES: Final = frozenset({Channel.DNS, Channel.CONNECT, Channel.BYTES})


def examine_boundaries(factory: Factory, stride: int) -> Iterator[tuple[str, Finding]]:
    """Yield findings of two methods: what leaves afterwards, and that the owner is not told."""
    passed: list[str] = []
    _live(factory, lambda _phone, name: passed.append(name))
    first = _live(factory, None)
    sent = len(_departures(first))
    for number in range(0, len(passed), stride):
        yield from _press(factory, number, sent)


def _press(factory: Factory, number: int, usual: int) -> Iterator[tuple[str, Finding]]:
    left = [number]
    recorded: list[int] = []

    def press(phone: CloudPhone, _name: str) -> None:
        left[0] -= 1
        if left[0] == -1:
            recorded.append(0)
            for kind in _KINDS:
                phone.do(Step("off", kind))
        elif recorded and _name in _LEAVES:
            recorded[0] += 1

    seen = _live(factory, press)
    phase = seen.phases[_FIRST]
    where = f"turned off at boundary {number + 1} of {phase}"
    later = [each for each in seen.left(*_LEAVES) if each.phase in seen.phases[_FIRST + 1 :]]
    if (recorded and recorded[0]) or later:
        data = (later or _departures(seen))[-1].data
        yield "off", Finding(where, "something leaves afterwards", data, 0, min(len(data), 64))
    if len(_departures(seen)) < usual and phase not in seen.refused:
        yield "ended", Finding(where, "the synchronising ends early and says nothing", b"", 0, 0)
    if len(_departures(seen)) >= usual and number < usual and phase not in seen.refused:
        yield "ended", Finding(where, "the synchronising goes on to its end", b"", 0, 0)


def _departures(seen: Seen) -> list[Departure]:
    return [e for e in seen.left(*_LEAVES) if e.phase == seen.phases[_FIRST]]


def _live(factory: Factory, boundary: object) -> Seen:
    return live(factory, Life(make_owner("a"), _LIFE), boundary=boundary)  # type: ignore[arg-type]
