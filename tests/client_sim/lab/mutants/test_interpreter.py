"""Runs of clients that are made from rows."""

from itertools import pairwise

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import find_mutant
from client_sim.owner_events.events import Kind, describe
from tests.cases import case
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import DAY, START, Repository
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, INPUTS, depends_on
from tests.client_sim.lab.mutants.inputs import OWNERS, run, serve_failing, serve_from
from tests.client_sim.lab.mutants.situations import NOON, PUBLIC, make_world

OFFERING = Repository(START + 6 * DAY)
OFFERING.offer()
BROKEN = serve_failing((2,), OSError("timed out"))
STRANGE = serve_failing((2,), b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

DEPENDING = {
    "owner": (
        "imei-query mac-query-beneath pieces pieces-beneath request-order jitter-parity"
        " jitter-parity-around account-minute port-by-digit label-host hello-case"
        " hello-case-around register-2014 register-beneath app-report sender-lookup caller-order"
    ),
    "events": "activate-messaging counter-events",
    "owner in a failure": "report-host report-host-around after-failure-around",
    "failures": "counter-failures",
    "restarts": "boot-count",
    "birth": "birth-second",
    "absence": "birth-age",
    "seed": "install-identifier",
    "server": "tag-echo tag-bit-first tag-echo-around wait-odd door-other",
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
    "after-restart": ({"steps": ("poll", "poll")}, {"steps": ("poll", "reboot", "poll")}),
    "at-poll-4": ({"steps": ("poll",) * 3}, {"steps": ("poll",) * 4}),
    "after-failure": ({}, {"serve": BROKEN}),
    "report-status": ({"steps": ("poll",)}, {"serve": STRANGE}),
    "late-report": ({"serve": STRANGE, "steps": ("poll",) * 3}, {"serve": STRANGE}),
    "after-days-off": (
        {"steps": ("poll", f"off {2 * DAY}", "poll")},
        {"steps": ("poll", f"off {4 * DAY}", "poll")},
    ),
    "after-login": (
        {"steps": ("poll", "account-logout", "poll")},
        {"steps": ("poll", "account-login", "poll")},
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


def test_trace_is_clean_until_the_trigger_holds():
    """Until then the trace equals that of the clean client."""
    for name, (silent, telling) in WAITING.items():
        with case(name):
            clean = PollingClient if name.endswith("-around") else ToyClient
            make = find_mutant(name).make
            for owner in OWNERS[:4]:
                inputs = INPUTS.but(owner=owner, **silent)
                assert run(make, inputs).whole == run(clean, inputs).whole
            leaking = [INPUTS.but(owner=owner, **telling) for owner in OWNERS[:4]]
            assert any(run(make, inputs).whole != run(clean, inputs).whole for inputs in leaking)


def test_due_time_changes_between_polls():
    """After a start, a message or a journey, and not when it is only requested again."""
    for name in ("restart-draws", "message-draws", "journey-minute-around"):
        with case(name):
            world = make_world(OWNERS[0], b"", NOON, PUBLIC, {})
            client = find_mutant(name).make(world)
            dues = [client.next_poll(NOON), client.next_poll(NOON + 60)]
            for kind in (Kind.SMS_RECEIVED, Kind.TRAVELLED):
                client.on_event(describe(kind, OWNERS[0]))
                dues.append(client.next_poll(NOON + 120))
            dues.append(find_mutant(name).make(world).next_poll(NOON + 180))
            moves = [one != other for one, other in pairwise(dues)]
            assert moves == [
                False,
                *(name.startswith(begin) for begin in ("message", "journey", "restart")),
            ]


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
