"""The faults of a site, how each begins and ends, and random plans of them from a seed."""

import dataclasses
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from server.settings import Node as Kind
from soak.grown.network import Machine
from soak.grown.nodes import Node
from soak.grown.program import Program
from soak.grown.site import Site
from tests.fault_proxy import Fault as Way

SHORT, LONG = 3.0, 15.0  # minimum and maximum seconds of most faults
STALE = 70.0  # more than HALT_SECONDS: a node that was cut off must not return with older metadata
BETWEEN = (2.0, 6.0)
PAIRS, STALES = 0.4, 0.15  # shares of turns: with two faults if possible, of STALE seconds
AT_WORK_SECONDS = 10.0  # maximum wait for a publisher to begin a publication
DATABASE = "database"
HOUR = 3600
WAYS = (Way.ERROR, Way.SILENCE, Way.CUT_ANSWER, Way.LOSE_ANSWER, Way.SLOW)
CUT = 500  # bytes of an answer, after which the connection is closed


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; two faults with a common part are never injected together."""

    kind: str
    name: str
    parts: frozenset[str]
    begin: Callable[[], None]
    end: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """One fault, or two together, for `hold` seconds, then `pause` seconds without a fault."""

    faults: Sequence[Fault]
    hold: float
    pause: float


def list_faults(site: Site) -> dict[str, Fault]:
    """Return all faults by name."""
    found = [*_of_nodes(site), *_of_links(site), *_of_the_database(site)]
    for program in [*site.store.programs.values(), site.edge, site.keys]:
        found += [_kill(program), _pause(program)]
    # Only the rotation agent removes lagging nodes: while it is away, no device node has a fault.
    alone = {node.machine.name for node in site.of(Kind.DEVICE)}
    for fault in (_kill(site.rotation), _pause(site.rotation)):
        found.append(dataclasses.replace(fault, parts=fault.parts | alone))
    return {each.name: each for each in found}


def find_faults(site: Site, names: Sequence[str]) -> list[Fault]:
    """Return the faults with these names, or all without names.

    Raises RuntimeError for an unknown name.
    """
    faults = list_faults(site)
    for name in names:
        if name not in faults:
            raise RuntimeError(f"there is no fault {name!r}, but these: {', '.join(faults)}.")
    return [faults[name] for name in names] if names else list(faults.values())


def draw_turns(faults: Sequence[Fault], seed: int) -> Iterator[Turn]:
    """Yield random turns without end; kinds alternate, and faults recur only after all others."""
    draw = random.Random(seed)
    left: list[Fault] = []
    while True:
        if not left:
            left = _mix(faults, draw)
        chosen = [left.pop(0)]
        if draw.random() < PAIRS:
            fitting = [each for each in left if not each.parts & chosen[0].parts]
            if fitting:
                chosen.append(fitting[0])
                left.remove(fitting[0])
        hold = STALE if draw.random() < STALES else draw.uniform(SHORT, LONG)
        yield Turn(chosen, hold, draw.uniform(*BETWEEN))


def _mix(faults: Sequence[Fault], draw: random.Random) -> list[Fault]:
    """Return the faults in random order, alternating between the kinds."""
    kinds: dict[str, list[Fault]] = {}
    for fault in draw.sample(faults, len(faults)):
        kinds.setdefault(fault.kind, []).append(fault)
    rounds = itertools.zip_longest(*kinds.values())
    return [fault for each in rounds for fault in each if fault is not None]


def named_turns(faults: Sequence[Fault], seed: int, hold: float | None) -> Iterator[Turn]:
    """Yield a turn for each of these faults in order, for `hold` seconds or a random time."""
    draw = random.Random(seed)
    for fault in faults:
        drawn = draw.uniform(SHORT, LONG)
        yield Turn([fault], drawn if hold is None else hold, draw.uniform(*BETWEEN))


def _kill(program: Program, wait: Callable[[], None] = lambda: None) -> Fault:
    def begin() -> None:
        wait()
        program.kill()

    return Fault("kill", f"kill {program.name}", frozenset({program.name}), begin, program.start)


def _pause(program: Program) -> Fault:
    parts = frozenset({program.name})
    return Fault("pause", f"pause {program.name}", parts, program.pause, program.resume)


def _cut(machine: Machine, parts: frozenset[str]) -> Fault:
    return Fault("cut", f"cut {machine.name}", parts, machine.cut, machine.mend)


def _of_nodes(site: Site) -> Iterator[Fault]:
    for node in site.nodes.values():
        parts = frozenset({node.machine.name})
        yield _kill(node.program, _until_at_work(node))
        yield _pause(node.program)
        yield Fault("fill", f"fill {node.machine.name}", parts, node.fill_disk, node.free_disk)
        for way in WAYS:
            yield _disturb(node, way, parts)
        for seconds in (HOUR, -HOUR):
            yield _turn_clock(node, seconds, parts)


def _until_at_work(node: Node) -> Callable[[], None]:
    """Return a function that waits until a publisher publishes, so that a kill interrupts it.

    For other nodes it returns immediately.
    """

    def wait() -> None:
        until = time.monotonic() + AT_WORK_SECONDS
        while time.monotonic() < until and not any(node.folder.staging.parent.glob("*")):
            time.sleep(0.001)

    return wait if node.kind is Kind.PUBLISHER else lambda: None


def _disturb(node: Node, way: Way, parts: frozenset[str]) -> Fault:
    def begin() -> None:
        node.proxy.limit = CUT
        node.proxy.fault = way

    def end() -> None:
        node.proxy.fault = Way.NONE

    return Fault("store", f"{way} of the store to {node.machine.name}", parts, begin, end)


def _turn_clock(node: Node, seconds: int, parts: frozenset[str]) -> Fault:
    return Fault(
        "clock",
        f"clock of {node.machine.name} {seconds:+d} s",
        parts,
        lambda: node.turn_clock(seconds),
        node.set_clock_right,
    )


def _of_links(site: Site) -> Iterator[Fault]:
    for name, machine in site.machines.items():
        if name == "store":
            yield _cut(machine, frozenset({name, *site.store.programs}))
        elif not name.startswith(DATABASE):
            yield _cut(machine, frozenset({name}))


def _of_the_database(site: Site) -> Iterator[Fault]:
    """Yield faults of the primary, which returns or is replaced, and of the standby."""
    pair, parts = site.database, frozenset({DATABASE})

    def kill_standby() -> None:
        pair.alone()
        pair.standby.kill()

    def start_standby() -> None:
        pair.standby.start()
        pair.together()

    def cut_standby() -> None:
        pair.alone()
        _link(pair.standby).cut()

    def mend_standby() -> None:
        _link(pair.standby).mend()
        pair.together()

    def primary() -> Program:
        return pair.primary

    def link() -> Machine:
        return _link(pair.primary)

    lost: list[Machine] = []

    def lose_primary() -> None:
        lost.append(link())
        link().cut()  # before the kill, so that no client receives the end of its connection
        pair.promote()

    def replace_primary() -> None:
        lost.pop().mend()
        pair.rejoin()

    yield Fault(DATABASE, "promote the standby", parts, pair.promote, pair.rejoin)
    yield Fault(DATABASE, "lose the primary's machine", parts, lose_primary, replace_primary)
    yield Fault(
        DATABASE, "kill the primary", parts, lambda: primary().kill(), lambda: primary().start()
    )
    yield Fault(
        DATABASE, "pause the primary", parts, lambda: primary().pause(), lambda: primary().resume()
    )
    yield Fault(DATABASE, "cut the primary", parts, lambda: link().cut(), lambda: link().mend())
    yield Fault(DATABASE, "kill the standby", parts, kill_standby, start_standby)
    yield Fault(DATABASE, "cut the standby", parts, cut_standby, mend_standby)


def _link(program: Program) -> Machine:
    if program.machine is None:
        raise ValueError(f"{program.name} has no machine")
    return program.machine
