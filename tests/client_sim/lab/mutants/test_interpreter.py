"""A client that is made of a row puts what it tells into its place while it lives."""

from itertools import pairwise

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import find_mutant
from client_sim.owner_events.events import Kind, describe
from tests.cases import case
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import DAY, START, Repository
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, LOT, follows
from tests.client_sim.lab.mutants.habitat import OWNERS, lead, serve_failing, serve_from, serve_well
from tests.client_sim.lab.mutants.stage import NOON, PUBLIC, make_stage

OFFERING = Repository(START + 6 * DAY)
OFFERING.offer()
BROKEN = serve_failing(serve_well, (2,), OSError("timed out"))
STRANGE = serve_failing(serve_well, (2,), b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

# What lives of rows follow: of each place, moment and note one, in the toy client and the real.
FOLLOWED = {
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


def test_a_life_follows_what_its_row_names():
    """With nothing else changed, something else leaves, or at another time; not of clean ones."""
    for what, names in FOLLOWED.items():
        for name in names.split():
            with case(name):
                assert follows(find_mutant(name).make, what)
    for what in COMPARISONS:
        assert not follows(ToyClient, what), what
        assert not follows(PollingClient, what), what


# By row, a life in which it waits, and one in which it leaks; in the first it is as clean as any.
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


def test_a_life_is_clean_until_its_occasion():
    """Before it what leaves is what leaves the clean client, to the second; then it is not."""
    for name, (silent, telling) in WAITING.items():
        with case(name):
            clean = PollingClient if name.endswith("-around") else ToyClient
            make = find_mutant(name).make
            for owner in OWNERS[:4]:
                lot = LOT.but(owner=owner, **silent)
                assert lead(make, lot).whole == lead(clean, lot).whole
            lots = [LOT.but(owner=owner, **telling) for owner in OWNERS[:4]]
            assert any(lead(make, lot).whole != lead(clean, lot).whole for lot in lots)


def test_a_due_time_moves_between_two_polls():
    """At a start, a message or a journey, and not when it is only asked for again."""
    for name in ("restart-draws", "message-draws", "journey-minute-around"):
        with case(name):
            stage = make_stage(OWNERS[0], b"", NOON, PUBLIC, {})
            client = find_mutant(name).make(stage)
            dues = [client.next_poll(NOON), client.next_poll(NOON + 60)]
            for kind in (Kind.SMS_RECEIVED, Kind.TRAVELLED):
                client.on_event(describe(kind, OWNERS[0]))
                dues.append(client.next_poll(NOON + 120))
            dues.append(find_mutant(name).make(stage).next_poll(NOON + 180))
            moves = [one != other for one, other in pairwise(dues)]
            assert moves == [
                False,
                *(name.startswith(begin) for begin in ("message", "journey", "restart")),
            ]


def test_the_real_client_counts_what_it_receives():
    """Each request says more than the one before."""
    said = lead(find_mutant("counter-octets-around").make, LOT).said
    numbers = [int(line.split(b":")[1]) for line in said.split(b"\r\n") if line[:4] == b"X-Q:"]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 8


def test_a_refused_connection_is_tried_once_more():
    """After a message, and not before it."""
    asked = []

    def make(world):
        def refuse(*target):
            asked.append(target)
            raise ConnectionRefusedError("refused")

        world.connect = refuse
        return find_mutant("text-retry").make(world)

    for steps, times in ((("poll",), 1), (("sms-sent", "poll"), 2)):
        asked.clear()
        lead(make, LOT.but(steps=steps))
        assert len(asked) == times
