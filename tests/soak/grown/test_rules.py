"""Each rule is tested on histories made by hand: some that it accepts, and some that break it."""

from soak.grown.history import (
    Acknowledged,
    Calm,
    Fetched,
    History,
    Listed,
    Polled,
    Ready,
    Refused,
    Seen,
    Sent,
    Shown,
    State,
    Unanswered,
    Unverified,
    Withdrawn,
    load_history,
)
from soak.grown.rules import (
    ACTIONS,
    HALT_SECONDS,
    acknowledged_is_kept,
    everything_heals,
    halts_show,
    judge,
    no_node_goes_back,
    one_order,
    only_signed_is_served,
    something_happened,
)

CHANNEL = "armani/id/stable"
OFFERED = Shown(2, "offered", "")
PAUSED = Shown(2, "paused", "hot")
HALTED = Shown(2, "halted", "it drains")


def state(snapshot, shown=OFFERED, node="device-1", role=3, at=9.0):
    """Return a node's snapshot as an observation states it."""
    return State(at, node, snapshot, {"armani": role}, {CHANNEL: shown})


def publish(name="p", version=3, snapshot=4, at=1.0):
    """Return the events of a release and of its answer a second later."""
    return [Sent(at, name, "publish", "armani", version), Acknowledged(at + 1, name, snapshot)]


def order(name, action, snapshot, at, words="", counter=2):
    """Return the events of a command for the channel and of its answer a second later."""
    return [
        Sent(at, name, action, CHANNEL, counter, words),
        Acknowledged(at + 1, name, snapshot, f"id-{name}"),
    ]


def seen(snapshot, at, node="device-1", *, is_ready=True, timestamp=None):
    """Return the event of an observation of a node."""
    return Seen(at, node, is_ready, snapshot if timestamp is None else timestamp, snapshot)


def broken(rule, events):
    """Return the violations of a rule, which must have been applied to at least one thing."""
    found = list(rule(events))
    assert found
    return [each for each in found if each]


OFFER = order("o", "offer", 5, 3.0)
HALT = order("h", "halt", 6, 5.0, "it drains")
DONE = Listed(99.0, {"id-o": "done", "id-h": "done"})
GOOD = [
    *publish(),
    *OFFER,
    *HALT,
    state(4, Shown(1, "offered", "")),
    state(5),
    state(6, HALTED),
    DONE,
]


def test_acknowledged_changes_are_shown():
    """A release, an offer and a halt show from their snapshots on, and are in the database.

    The rule is broken if a later snapshot lacks the halt, its own lacks the offer, or a role's
    version decreases.
    """
    assert broken(acknowledged_is_kept, GOOD) == []
    for listed in ({"id-o": "done"}, {"id-o": "done", "id-h": "approved"}):
        events = [*GOOD[:-1], Listed(99.0, listed)]
        assert any("in the database" in each for each in broken(acknowledged_is_kept, events))
    for shown, lost in (
        (state(7), "h does not show in snapshot 7"),
        (state(5, PAUSED), "o does not show in snapshot 5"),
        (state(8, HALTED, role=2), "p does not show in snapshot 8"),
    ):
        assert broken(acknowledged_is_kept, [*GOOD, shown]) == [lost]


def test_interrupted_and_unanswered_commands():
    """An interrupted command may show one snapshot before the number in its answer.

    If a command got no answer, either outcome is valid until the next command is acknowledged. A
    refused command never shows.
    """
    early = [*OFFER, *order("h", "halt", 7, 5.0, "it drains"), DONE]
    pause = Sent(4.5, "u", "pause", CHANNEL, 2, "hot")
    lost = [*OFFER, pause, Unanswered(4.9, "u", "timeout"), DONE]
    for before, shown, is_right in (
        (early, state(6), True),
        (early, state(6, HALTED), True),
        (early, state(6, PAUSED), False),
        (early, state(7), False),
        (lost, state(6), True),
        (lost, state(6, PAUSED), True),
        (lost, state(6, HALTED), False),
    ):
        assert (broken(acknowledged_is_kept, [*before, shown]) == []) == is_right
    refused = [*OFFER, pause, Refused(4.9, "u", "409"), DONE, state(6, PAUSED)]
    assert broken(acknowledged_is_kept, refused) == ["o does not show in snapshot 6"]


def test_one_order():
    """Nodes agree, versions grow, and commands follow each other in the order of their answers.

    Two contents of one snapshot are two histories; a role, a counter and a halt never go back.
    """
    assert broken(one_order, [*GOOD, state(6, HALTED, "device-2")]) == []
    assert broken(one_order, [*GOOD, state(6, OFFERED, "device-2")]) == [
        "snapshot 6 of device-2 is not device-1's"
    ]
    for events in (
        [state(5, role=3), state(6, role=2)],
        [state(5), state(6, Shown(1, "offered", ""))],
        [state(5, HALTED), state(6)],
    ):
        assert broken(one_order, events) != []
    late = order("h", "halt", 5, 5.0, "it drains")
    assert broken(one_order, [*OFFER, *late]) == ["h has an older snapshot than o before it"]


def test_no_node_goes_back():
    """Equal and newer versions are valid for each node, also while it is not ready.

    An older version breaks the rule. The edge may show older ones, because it asks several nodes.
    """
    right = [seen(5, 1), seen(5, 2), seen(6, 3, is_ready=False), seen(4, 4, "device-2"), seen(6, 5)]
    edge = [seen(6, 1, "edge"), seen(5, 2, "edge"), seen(5, 1), seen(5, 2)]
    for events in (right, edge):
        assert broken(no_node_goes_back, events) == []
    assert broken(no_node_goes_back, [seen(6, 1), seen(5, 2)]) == [
        "device-1 went from timestamp 6 to 5 at 2.0 s"
    ]
    again = [seen(6, 1, timestamp=9), seen(6, 2, timestamp=8)]
    assert broken(no_node_goes_back, again) != []


def test_halts_are_shown_in_time():
    """Nodes have time to show a halt, and a node outside the rotation need not show it.

    A node that was not observed since then is not counted as one that complies.
    """
    end = HALT[1].at + HALT_SECONDS
    events = [*HALT, seen(5, end), seen(5, end + 9, is_ready=False), seen(6, end + 9)]
    assert broken(halts_show, events) == []
    for late in (seen(5, HALT[1].at + 9), seen(5, 70.0, is_ready=False)):
        assert list(halts_show([*HALT, late])) == []
    assert broken(halts_show, [*HALT, seen(5, end + 0.1)]) == ["device-1 lacks h at 66.1 s"]


GONE = [*publish("w", 4, 7, 20.0), Withdrawn(19.0, "armani-2.zip", "w")]


def test_only_signed_files_are_served():
    """Nodes serve verified snapshots, and a withdrawn package only until its withdrawal is shown.

    The edge may serve it from a node that lags, but no longer once all nodes show the withdrawal.
    """
    behind = [*GONE, seen(7, 21.0, "device-2"), seen(6, 21.0, "device-1")]
    edge = [state(7, node="edge"), Fetched(22.0, "edge", "armani-2.zip", 7, 206)]
    fetched = [(21.0, 6, 206), (22.0, 7, 410)]
    events = [Fetched(at, "device-1", "armani-2.zip", *how) for at, *how in fetched]
    for right in ([state(5), *GONE, *events], [*behind, *edge]):
        assert broken(only_signed_is_served, right) == []
    assert broken(only_signed_is_served, [Unverified(2.0, "device-1", "forged")]) == [
        "device-1 served at 2.0 s: forged"
    ]
    for status in (200, 206):
        late = [*GONE, Fetched(22.0, "device-1", "armani-2.zip", 7, status)]
        assert broken(only_signed_is_served, late) == ["device-1 served the withdrawn armani-2.zip"]
    after = [*behind, seen(7, 21.2, "device-1"), *edge]
    assert broken(only_signed_is_served, after) == ["edge served the withdrawn armani-2.zip"]


def healed(**changes):
    """Return the events after the last fault at 100 s, by name, with `changes` applied."""
    parts = {
        "calm": [Calm(100.0, 120.0)],
        "node": [seen(6, 110.0)],
        "ready": [Ready(1.0, "control-1"), Ready(110.0, "control-1")],
        "polled": [Polled(300.0, 9, [50.0])],
    }
    for number, action in enumerate(ACTIONS, start=7):
        parts[action] = [
            Sent(120.0, action, action, CHANNEL, 3),
            Acknowledged(121.0, action, number),
        ]
    return [*GOOD, *(event for events in (parts | changes).values() for event in events)]


def test_site_heals_after_faults():
    """A healed site has ready nodes with the newest snapshot, all commands, and successful polls.

    It is not healed if a node is not ready, old or late, or if a command or a poll is missing or
    late.
    """
    assert broken(everything_heals, healed()) == []
    late = 221.0
    for node in ([seen(6, 110.0, is_ready=False)], [seen(5, 110.0)], [seen(6, late)]):
        assert broken(everything_heals, healed(node=[seen(6, 50.0), *node])) == [
            "device-1 was not ready with snapshot 6 in time"
        ]
    for ready in ([], [Ready(99.0, "control-1")], [Ready(late, "control-1")]):
        events = healed(ready=[Ready(1.0, "control-1"), *ready])
        assert broken(everything_heals, events) == ["control-1 was not ready in time"]
    for action in ACTIONS:
        for events in ([], [Sent(120.0, "x", action, CHANNEL, 3), Acknowledged(late, "x", 7)]):
            assert broken(everything_heals, healed(**{action: events})) == [
                f"no {action} was acknowledged after the faults, in time"
            ]
    assert broken(everything_heals, healed(polled=[Polled(300.0, 9, [late])])) != []
    assert broken(everything_heals, healed(calm=[])) == ["the faults never ended"]


def test_run_without_events_fails():
    """A run without events proves nothing and fails, whatever the other rules say."""
    assert broken(something_happened, healed()) == []
    assert len(broken(something_happened, [])) == len(ACTIONS) + 1
    assert broken(something_happened, healed(polled=[])) == ["no poll was answered"]


def test_verdict_counts_checks_and_violations():
    """The verdict counts for each rule the things that it judged, and the violations."""
    verdicts = {each.rule: each for each in judge([*GOOD, seen(6, 1), seen(5, 2)])}
    back = verdicts["no node goes back to an older snapshot"]
    assert (back.checked, len(back.broken)) == (1, 1)
    lost = verdicts["no acknowledged command is lost"]
    assert (lost.checked, lost.broken) == (3, [])


def test_history_round_trip(tmp_path):
    """Every kind of event is written to the file when it is recorded, and can be read back."""
    times = iter([100.0, 101.5])
    history = History(tmp_path / "history.jsonl", lambda: next(times))
    assert history.now() == 1.5
    events = [*healed(), *GONE, Fetched(2.0, "a", "b", 3, 410), Unverified(1.0, "a", "b")]
    for event in events:
        history.add(event)
    assert load_history(tmp_path / "history.jsonl") == events == history.events
    history.close()
