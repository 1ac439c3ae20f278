"""Runs of clients that are made from rows."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from client_sim.device.client import PollingClient
from client_sim.device.records import forget_due
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.covert import later, low_part
from client_sim.lab.mutants.library import ROWS, find_mutant
from client_sim.lab.mutants.triggers import RESET_UNPOLLED, each_poll_since, once_after
from client_sim.owner_events.events import Kind, describe
from tests.cases import case
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import DAY, START, Repository
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, INPUTS, depends_on
from tests.client_sim.lab.mutants.inputs import (
    OWNERS,
    run,
    serve_failing,
    serve_from,
    serve_with,
)
from tests.client_sim.lab.mutants.situations import NOON, PUBLIC, make_spy, make_world

OFFERING = Repository(START + 6 * DAY)
OFFERING.offer()
BROKEN = serve_failing((2,), OSError("timed out"))
TAGGED = serve_with(b'ETag: "one"')
STRANGE = serve_failing((2,), b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

DEPENDING = {
    "owner": (
        "imei-query pieces-beneath request-order phase-imei-hour jitter-parity-around"
        " account-minute label-host hello-case-around register-2014 report-beneath app-report"
        " sender-lookup caller-order absent-close"
    ),
    "events": "activate-messaging reads-on-events",
    "owner in a failure": "report-second report-host-around",
    "failures": "counter-failures",
    "restarts": "counter-boots",
    "birth": "birth-minute birth-half",
    "absence": "birth-age",
    "seed": "address-kept",
    "server": "tag-time tag-wait tag-echo-around resumed-early wait-retry-around door-other",
}
"""Rows by what their traces depend on: each place, moment and note, in the toy and the phone."""


def test_trace_depends_on_what_the_row_names():
    """A row's trace depends on its source; traces of clean clients depend on nothing."""
    for what, names in DEPENDING.items():
        for name in names.split():
            with case(name):
                assert depends_on(find_mutant(name).make, what)
    for what in COMPARISONS:
        assert not depends_on(ToyClient, what), what
        assert not depends_on(PollingClient, what), what


WAITING = {
    "resumed-early": (
        {"serve": TAGGED, "steps": ("poll",)},
        {"serve": TAGGED, "steps": ("poll", "poll")},
    ),
    "latest-after-outage": (
        {"serve": STRANGE, "steps": ("poll",) * 3},
        {"serve": BROKEN, "steps": ("poll",) * 3},
    ),
    "agent-after-restart": ({"steps": ("poll", "poll")}, {"steps": ("poll", "reboot", "poll")}),
    "seventh-of-some": ({"steps": ("poll",) * 6}, {"steps": ("poll",) * 7}),
    "report-second": ({"steps": ("poll", "poll")}, {"serve": BROKEN}),
    "report-status": ({"steps": ("poll",)}, {"serve": STRANGE}),
    "late-report": ({"serve": STRANGE, "steps": ("poll",) * 3}, {"serve": STRANGE}),
    "weeks-off": (
        {"steps": ("poll", f"off {4 * DAY}", "poll")},
        {"steps": ("poll", f"off {6 * DAY}", "poll")},
    ),
    "after-changed-around": ({"steps": ("poll",)}, {"steps": ("poll", "poll")}),
    "after-unchanged-around": ({"steps": ("poll",) * 2}, {"steps": ("poll",) * 3}),
    "after-offer-around": ({}, {"public": make_public(OFFERING), "serve": serve_from(OFFERING)}),
    "message-call-restart": (
        {"steps": ("poll", "call-placed", "sms-received", "reboot", "poll")},
        {"steps": ("poll", "sms-received", "call-placed", "reboot", "poll")},
    ),
}
"""Inputs with which a row's trigger does not hold, and inputs with which it holds."""
REAL = {row.id for row in ROWS if row.real}


def test_trace_is_clean_until_the_trigger_holds():
    """Until then the trace equals that of the clean client."""
    for name, (silent, telling) in WAITING.items():
        with case(name):
            clean = PollingClient if name in REAL else ToyClient
            make = find_mutant(name).make
            for owner in OWNERS[:4]:
                inputs = INPUTS.but(owner=owner, **silent)
                assert run(make, inputs).whole == run(clean, inputs).whole
            leaking = [INPUTS.but(owner=owner, **telling) for owner in OWNERS[:4]]
            assert any(run(make, inputs).whole != run(clean, inputs).whole for inputs in leaking)


def test_due_time_changes_between_polls():
    """After a start or a journey, and not when it is only requested again."""
    for name in ("restart-draws", "journey-minute-around"):
        with case(name):
            world = make_world(OWNERS[0], b"", NOON, PUBLIC, {})
            client = find_mutant(name).make(world)
            dues = [client.next_poll(NOON), client.next_poll(NOON + 60)]
            for kind in (Kind.SMS_RECEIVED, Kind.TRAVELLED):
                client.on_event(describe(kind, OWNERS[0]))
                dues.append(client.next_poll(NOON + 120))
            dues.append(find_mutant(name).make(world).next_poll(NOON + 180))
            moves = [one != other for one, other in pairwise(dues)]
            assert moves == [False, False, name.startswith("journey"), name.startswith("restart")]


def test_received_bytes_are_counted():
    """Each request of `counter-octets-around` names a larger number than the previous one."""
    said = run(find_mutant("counter-octets-around").make, INPUTS).said
    numbers = [int(line.split(b":")[1]) for line in said.split(b"\r\n") if line[:4] == b"X-Q:"]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 8


def test_refused_connection_is_retried_after_a_message():
    """`text-retry` connects once more if a message was sent, and not otherwise."""
    asked = []

    def make(world):
        def refuse(*target):
            asked.append(target)
            raise ConnectionRefusedError("refused")

        world.connect = refuse
        return find_mutant("text-retry").make(world)

    for steps, times in ((("poll",), 1), (("sms-sent", "poll"), 2)):
        asked.clear()
        run(make, INPUTS.but(steps=steps))
        assert len(asked) == times


def test_changed_interval_stays_in_its_range():
    """A phone polls every 4 to 8 hours, also if the time's rest by a number is leaked, or delay."""
    for name in (
        *("birth-minute", "phase-second", "tag-time", "zone-in-hours", "report-second"),
        *("borrowed-time", "phase-number-around"),
    ):
        with case(name):
            inputs = INPUTS.but(steps=("poll",) * 12, serve=TAGGED)
            assert all(14_400 <= gap <= 28_800 for gap in run(find_mutant(name).make, inputs).gaps)
    for place in (low_part(2), low_part(256), low_part(3600), later(30), later(-30)):
        for interval in (14_400, 14_401, 20_000, 28_799, 28_800):
            for value in (b"0", b"1", b"255"):
                with case(place.phrase, interval, value):
                    changed = place.put(value, NOON + 0.25, NOON + 0.25 + interval)
                    assert 14_400 <= changed - NOON - 0.25 <= 28_800


@pytest.mark.parametrize(("status", "is_refusal"), [("206", 0), ("403", 1), ("404", 1)])
@pytest.mark.parametrize("name", ["failed-install-report-beneath", "failed-install-pieces-beneath"])
def test_refused_installation_changes_the_next_request(name, status, is_refusal):
    """Only one, and not after a refusal of anything else."""
    sent = []
    stream = SimpleNamespace(send=sent.append, recv=lambda _limit: f"HTTP/1.1 {status} x".encode())
    for path, times in (("/targets/armani/6a.zip", is_refusal), ("/metadata/4.root.json", 0)):
        asked = b"GET %s HTTP/1.1\r\n\r\n" % path.encode()
        owner = next(each for each in OWNERS if sum(each.imei.encode()) % 2)
        world = make_world(owner, b"", NOON, PUBLIC, {})
        world.connect = lambda *_target: stream
        transport = find_mutant(name).make(world).world
        connection = transport.connect("192.0.2.1", 80, None)
        connection.send(b"GET /targets/armani/6a.zip HTTP/1.1\r\n\r\n")
        sent.clear()
        connection.send(asked)
        connection.recv(99)
        assert sent == [asked]
        changes = []
        for _ in range(2):
            sent.clear()
            connection.send(asked)
            changes.append(sent != [asked])
        assert changes == [bool(times), False]


def test_interval_is_shifted_once_after_a_clock_went_back():
    """Also if it went back between two polls, and by less than an interval."""
    for step in (60, -60):
        drawn = []
        for make in (find_mutant("secret-behind-clock").make, PollingClient):
            world = make_world(OWNERS[0], b"", NOON, PUBLIC, {"secret": bytes(32)})
            client = make(world)
            dues = [client.next_poll(NOON), client.next_poll(NOON + step)]
            for _ in range(2):
                forget_due(world.state)
                dues.append(client.next_poll(NOON + step))
            drawn.append(dues[2:])
        assert [one != other for one, other in zip(*drawn, strict=True)] == [step < 0, False]


def test_trigger_holds_once():
    """After each occurrence, or in the first interval after a reset."""
    spy, trigger = make_spy(), once_after("outage")
    held = [trigger.holds(spy)]
    for _ in range(2):
        spy.record("outage")
        held += [trigger.holds(spy), trigger.holds(spy)]
    assert held == [False, True, False, True, False]

    held = [RESET_UNPOLLED.holds(spy)]
    spy.world.state.clear()
    held.append(RESET_UNPOLLED.holds(spy))
    spy.begin_poll()
    held.append(RESET_UNPOLLED.holds(spy))
    assert held == [False, True, False]


def test_outage_counts_from_the_last_journey():
    """A poll that succeeds ends it, so that only another journey begins one."""
    trigger = each_poll_since("travelled", "failure", 3)
    for polls, holds in (
        ("travelled failure failure failure", True),
        ("travelled failure failure failure failure", True),
        ("failure failure failure travelled failure failure", False),
        ("travelled success failure failure failure", False),
        ("travelled failure failure failure success", False),
        ("travelled failure failure failure travelled failure", False),
        ("failure failure failure", False),
    ):
        with case(polls):
            spy = make_spy()
            for name in polls.split():
                if name != "travelled":
                    spy.begin_poll()
                spy.record(name)
            assert trigger.holds(spy) == holds
