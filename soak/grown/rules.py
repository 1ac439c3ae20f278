"""The rules for every history, as pure functions from events to violations.

A device node is in rotation while it reports that it is ready, the edge while it answers. The edge
switches between nodes, so it may go back to slightly older metadata.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from soak.grown.history import (
    Acknowledged,
    AnyEvent,
    Calm,
    Event,
    Fetched,
    Listed,
    Polled,
    Ready,
    Refused,
    Seen,
    Sent,
    Shown,
    State,
    Unverified,
    Withdrawn,
)

HALT_SECONDS = 60.0  # from a halt's acknowledgement until every node in rotation shows it
EDGE = "edge"
ACTIONS = ("publish", "offer", "halt", "pause", "resume")
_STATES = {"offer": "offered", "halt": "halted", "pause": "paused", "resume": "offered"}
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The number of checks of a rule, and a sentence for each violation."""

    rule: str
    checked: int
    broken: Sequence[str]


Events = Sequence[AnyEvent]


def judge(events: Events) -> list[Verdict]:
    """Return the verdict of every rule."""
    return [_collect(rule, name, events) for name, rule in RULES.items()]


def _collect(rule: Callable[[Events], Iterable[str]], name: str, events: Events) -> Verdict:
    """Run a rule, which yields a sentence for each violation and "" for each successful check."""
    found = list(rule(events))
    return Verdict(name, len(found), [each for each in found if each])


def acknowledged_is_kept(events: Events) -> Iterator[str]:
    """Check that acknowledged commands are in the database, and in snapshots until the next one."""
    listed = {
        change: state for each in _of(Listed, events) for change, state in each.changes.items()
    }
    acknowledged = _acknowledged(events)
    states = _of(State, events)
    for sent in _of(Sent, events):
        done = acknowledged.get(sent.command)
        if done is None:
            continue
        if done.change and listed.get(done.change) != "done":
            yield f"{sent.command} is {listed.get(done.change, 'not')} in the database"
        shown = [each for each in states if each.snapshot >= done.snapshot]
        if sent.action == "publish":
            lost = next((s for s in shown if s.roles.get(sent.subject, 0) < sent.number), None)
        else:
            allowed, until = _followers(sent, events)
            lost = next(
                (
                    each
                    for each in shown
                    if (until is None or each.snapshot < until)
                    and not any(_shows(one, each.channels.get(sent.subject)) for one in allowed)
                ),
                None,
            )
        yield f"{sent.command} does not show in snapshot {lost.snapshot}" if lost else ""


def one_order(events: Events) -> Iterator[str]:
    """Check that all nodes show one history, with the commands in the order of their answers."""
    states: dict[int, State] = {}
    for state in _of(State, events):
        first = states.setdefault(state.snapshot, state)
        same = (first.roles, first.channels) == (state.roles, state.channels)
        yield "" if same else f"snapshot {state.snapshot} of {state.node} is not {first.node}'s"
    for before, after in pairwise(states[number] for number in sorted(states)):
        yield from _goes_on(before, after)
    acknowledged = _acknowledged(events)
    newest: dict[str, Acknowledged] = {}
    for event in events:
        if isinstance(event, Sent) and event.command in acknowledged:
            done, last = acknowledged[event.command], newest.get(event.subject)
            if last is not None and last.at < event.at and last.snapshot >= done.snapshot:
                yield f"{event.command} has an older snapshot than {last.command} before it"
            else:
                yield ""
            newest[event.subject] = done


def no_node_goes_back(events: Events) -> Iterator[str]:
    """Check that no device node goes back to an older timestamp or snapshot."""
    newest: dict[str, Seen] = {}
    for seen in _of(Seen, events):
        last = newest.get(seen.node)
        if last is not None and seen.node != EDGE:
            is_older = (seen.timestamp, seen.snapshot) < (last.timestamp, last.snapshot)
            what = f"{seen.node} went from timestamp {last.timestamp} to {seen.timestamp}"
            yield f"{what} at {seen.at:.1f} s" if is_older else ""
        newest[seen.node] = seen


def halts_show(events: Events) -> Iterator[str]:
    """Check that every node in rotation shows a halt HALT_SECONDS after its acknowledgement."""
    acknowledged = _acknowledged(events)
    halts = [
        acknowledged[sent.command]
        for sent in _of(Sent, events)
        if sent.action == "halt" and sent.command in acknowledged
    ]
    looks: dict[str, list[Seen]] = {}
    for seen in _of(Seen, events):
        if seen.is_ready:
            looks.setdefault(seen.node, []).append(seen)
    for halt in halts:
        for node, seen_there in looks.items():
            late = [each for each in seen_there if each.at > halt.at + HALT_SECONDS]
            older = next((each for each in late if each.snapshot < halt.snapshot), None)
            if older is not None:
                yield f"{node} lacks {halt.command} at {older.at:.1f} s"
            elif any(each.snapshot >= halt.snapshot for each in seen_there):
                yield ""


def only_signed_is_served(events: Events) -> Iterator[str]:
    """Check that a TUF client accepted all metadata, and that withdrawn packages are not served.

    A node that has shown a withdrawal must not serve the package. The edge may use another node
    than the one that showed it. So for a request to the edge, all nodes must have shown the
    withdrawal by the edge's previous event.
    """
    acknowledged = _acknowledged(events)
    withdrawn = {
        each.package: acknowledged[each.command].snapshot
        for each in _of(Withdrawn, events)
        if each.command in acknowledged
    }
    shown: dict[str, int] = {}
    by_all = 0
    for event in events:
        if isinstance(event, State):
            yield ""
        if isinstance(event, Unverified):
            yield f"{event.node} served at {event.at:.1f} s: {event.why}"
        if isinstance(event, Seen) and event.node != EDGE:
            shown[event.node] = event.snapshot
        if isinstance(event, Fetched):
            snapshot = by_all if event.node == EDGE else event.snapshot
            if snapshot >= withdrawn.get(event.package, snapshot + 1):
                is_served = event.status in {200, 206}
                yield f"{event.node} served the withdrawn {event.package}" if is_served else ""
        if isinstance(event, State | Fetched) and event.node == EDGE:
            by_all = min(shown.values(), default=0)


def everything_heals(events: Events) -> Iterator[str]:
    """Check that nodes, commands and polls work again in time after the last fault."""
    calm = next(iter(_of(Calm, events)), None)
    if calm is None:
        yield "the faults never ended"
        return
    until = calm.at + calm.within
    acknowledged = _acknowledged(events)
    before = [each.snapshot for each in acknowledged.values() if each.at <= calm.at]
    newest = max(before, default=0)
    seen = _of(Seen, events)
    for node in sorted({each.node for each in seen}):
        is_well = any(
            each.node == node
            and each.is_ready
            and calm.at <= each.at <= until
            and each.snapshot >= newest
            for each in seen
        )
        yield "" if is_well else f"{node} was not ready with snapshot {newest} in time"
    ready = _of(Ready, events)
    for node in sorted({each.node for each in ready}):
        is_well = any(each.node == node and calm.at <= each.at <= until for each in ready)
        yield "" if is_well else f"{node} was not ready in time"
    for action in ACTIONS:
        is_done = any(
            sent.action == action and sent.at >= calm.at and acknowledged[sent.command].at <= until
            for sent in _of(Sent, events)
            if sent.command in acknowledged
        )
        yield "" if is_done else f"no {action} was acknowledged after the faults, in time"
    for polled in _of(Polled, events):
        late = [at for at in polled.failed if at > until]
        yield f"{len(late)} polls failed after that" if late else ""


def something_happened(events: Events) -> Iterator[str]:
    """Check that every kind of command was acknowledged, and that polls were answered."""
    acknowledged = _acknowledged(events)
    actions = [sent.action for sent in _of(Sent, events) if sent.command in acknowledged]
    for action in ACTIONS:
        yield "" if action in actions else f"no {action} was acknowledged"
    polled = sum(each.answered for each in _of(Polled, events))
    yield "" if polled else "no poll was answered"


RULES: Mapping[str, Callable[[Events], Iterable[str]]] = {
    "no acknowledged command is lost": acknowledged_is_kept,
    "each channel's history is one order": one_order,
    "no node goes back to an older snapshot": no_node_goes_back,
    f"a halt shows within {HALT_SECONDS:.0f} s": halts_show,
    "only what is signed, and not withdrawn": only_signed_is_served,
    "everything heals in time": everything_heals,
    "every kind of command was tried": something_happened,
}


def _of(kind: type[E], events: Iterable[AnyEvent]) -> list[E]:
    return [each for each in events if isinstance(each, kind)]


def _acknowledged(events: Events) -> dict[str, Acknowledged]:
    return {each.command: each for each in _of(Acknowledged, events)}


def _followers(sent: Sent, events: Events) -> tuple[list[Sent], int | None]:
    """Return the commands that a channel may show after `sent`, and the snapshot that ends this.

    These are `sent`, later commands without an answer, and the next acknowledged one. A command
    that a fault interrupted may show before the snapshot that its answer names.
    """
    acknowledged = _acknowledged(events)
    refused = {each.command for each in _of(Refused, events)}
    own = [
        each
        for each in _of(Sent, events)
        if each.subject == sent.subject and each.action != "publish"
    ]
    allowed = [sent]
    for each in own[own.index(sent) + 1 :]:
        if each.command not in refused:
            allowed.append(each)
        if each.command in acknowledged:
            return allowed, acknowledged[each.command].snapshot
    return allowed, None


def _shows(sent: Sent, shown: Shown | None) -> bool:
    return shown == Shown(sent.number, _STATES[sent.action], sent.words)


def _goes_on(before: State, after: State) -> Iterator[str]:
    """Check that a snapshot undoes nothing of the one before it."""
    for role, version in before.roles.items():
        is_older = after.roles.get(role, 0) < version
        yield f"{role} is older in snapshot {after.snapshot}" if is_older else ""
    for channel, old in before.channels.items():
        new = after.channels.get(channel)
        is_undone = (
            new is None
            or new.counter < old.counter
            or (new.counter == old.counter and old.state == "halted" and new.state != "halted")
        )
        yield f"{channel} goes back in snapshot {after.snapshot}" if is_undone else ""
