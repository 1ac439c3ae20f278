"""The conditions that crossed cases combine, and how each level changes a server."""

from types import MappingProxyType
from typing import Final

from client_sim.lab.programme.covering import Factors, Row
from client_sim.lab.programme.testbed import EVERY_KIND, Serve, Testbed
from client_sim.lab.scenarios.generators import EVENT_SETS
from client_sim.lab.servers.contents import (
    Publication,
    halt,
    one_by_one,
    release,
    renew_content,
    renew_tables,
)
from client_sim.lab.servers.fault import Fault
from client_sim.lab.servers.faults_metadata import METADATA, PACKS
from client_sim.lab.servers.faults_network import ANSWERS as ANSWERED
from client_sim.lab.servers.faults_network import INSTALL, NETWORK
from client_sim.lab.servers.hostile import BODIES, TOGETHER
from client_sim.lab.servers.hostile_heads import ANSWERS, FIELDS
from client_sim.lab.servers.packs import HISTORIES, SMALL, make_history, make_steps
from client_sim.lab.servers.replies import HostilePair, wrapped
from client_sim.tape import Tape

# Left out of crossed cases: the duration of this fault depends on the answer's length, so it would
# reveal the length of a server's mark.
_LENGTHY: Final = "a byte in twenty seconds"
_FAULTS: Final = MappingProxyType(
    {
        "unreached": tuple(each for each in NETWORK if not each.is_reached),
        "network": tuple(each for each in NETWORK if each.is_reached),
        "answer": ANSWERED,
        "metadata": METADATA,
        "packs": PACKS,
        "install": INSTALL,
    }
)
# Left out with a fault: faults change bodies, so another framing would make another fault.
_FRAMINGS: Final = frozenset({"compressed or not", "chunks", "chunks or length"})
_MARKS: Final = MappingProxyType(
    {
        "fields": FIELDS,
        "refusals": ANSWERS,
        "bodies": tuple(pair for pair in BODIES if pair.field != "pieces"),
        "all fields": (TOGETHER,),
    }
)

FACTORS: Final[Factors] = MappingProxyType(
    {
        "life": ("quiet", *EVENT_SETS),
        "fault": ("none", *_FAULTS),
        "server": ("alike", *_MARKS),
        "install": ("none", "whole", "step", "later"),
        "packs": ("same", "ever new", "changed", "bad", "another kind"),
        "restart": ("none", "one", "in each interval"),
        "reset": ("none", "early", "late"),
        "strikes": ("once", "twice", "always"),
        "power off": ("none", "days", "weeks", "months"),
        "clock back": ("none", "hours", "days"),
        "carrier": ("plain", "TLS"),
        "addresses": ("shared", "private"),
    }
)
"""The crossed factors and their levels."""

TRIPLE_FACTORS: Final = ("life", "fault", "server", "install", "packs", "restart", "reset")
"""The factors of which every triple of levels is combined as well."""

_OTHERS: Final = tuple(kind for kind in EVERY_KIND if kind not in {*SMALL, "greetings"})
"""Kinds that a repository can have alone; greetings need all the others."""

_ALWAYS: Final = range(64)  # connections; no run has more
# If every connection failed, nothing would be observed. Two in a row are let through, because an
# installation takes a connection of its own.
_ALTERNATING: Final = tuple(number for number in _ALWAYS if number % 4 < 2)
_LATER: Final = 3  # connections before an offer that does not exist from the start
_HALTS: Final = 3  # connections within which an offer may end; a package takes one of them
_TIMES: Final = 3  # how often a pack is bad in a scenario; it is good in between
_NEW: Final = (("other tables", renew_tables), ("other content", renew_content)) * 3


def publish(testbed: Testbed, row: Row, tape: Tape) -> Serve:
    """Return a factory of servers with the releases and packs of the row."""
    history: list[Publication] = []
    kind = tape.pick(_OTHERS if row["packs"] == "another kind" else SMALL)
    if row["packs"] == "ever new":
        history += one_by_one(_NEW)
    elif row["packs"] == "bad":
        # Repeated, because other conditions hold in some intervals only.
        history += make_steps(("bad", "") * _TIMES, kind)
    elif row["packs"] != "same":
        history += make_history(tape.pick(HISTORIES), kind)
    if row["install"] != "none":
        first = _LATER if row["install"] == "later" else 0
        history.append(Publication("a release for all", release(1000), connection=first))
        if tape.below(2):
            ended = first + 1 + tape.below(_HALTS)
            history.append(Publication("a halted rollout", halt, connection=ended))
    ordered = tuple(sorted(history, key=lambda each: each.connection))
    return testbed.publishing(ordered) if kind in SMALL else testbed.stocked(ordered, (kind,))


def choose_mark(row: Row, tape: Tape) -> HostilePair | None:
    """Choose how two servers differ; with a fault, only in ways that do not change the fault."""
    if row["server"] not in _MARKS:
        return None
    marks = _MARKS[row["server"]]
    if row["fault"] != "none":
        marks = tuple(pair for pair in marks if pair.name not in _FRAMINGS)
    return tape.pick(marks)


def choose_fault(row: Row, tape: Tape) -> Fault | None:
    """Choose the fault of a row, if it has one."""
    if row["fault"] not in _FAULTS:
        return None
    return tape.pick([each for each in _FAULTS[row["fault"]] if _LENGTHY not in each.name])


def spoil(serve: Serve, fault: Fault, row: Row) -> Serve:
    """Return a factory of servers that fail in one poll or installation, in two, or always.

    A fault that prevents connections is not permanent: two fail, the next two succeed, and so on.
    """
    first, length = (1, 3) if row["fault"] == "install" else (fault.poll, 1)
    times = 2 if row["strikes"] == "twice" else 1
    always = _ALWAYS if fault.is_reached else _ALTERNATING
    connections = always if row["strikes"] == "always" else range(first, first + times * length)
    return wrapped(serve, fault.at(connections))
