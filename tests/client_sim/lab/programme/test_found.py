"""Leaky clients are found by the battery that varies what they depend on; clean ones by none.

The expected judges follow from what each client leaks, and when. Others may also find it.
"""

from dataclasses import replace
from functools import cache

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import MUTANTS, find_mutant
from client_sim.lab.programme.batteries.crossed import list_rows
from client_sim.lab.programme.batteries.offers import KINDS
from client_sim.lab.programme.plan import BATTERIES, PROFILES, RARE, Plan, make_batteries
from client_sim.lab.programme.runner import try_client, try_mutant
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.scenarios.driving import REBOOT
from client_sim.lab.servers.hostile import HOSTILE

SEED = 0
FOUND = {
    "personal": "address-bit real-host real-numbers real-address imei-inside reads-on-owner",
    "events": (
        "restart-second restart-order abroad-over-tls busy-interval four-messages reads-on-events"
        " event-after-quiet outage-after-travel"
    ),
    "events grammar tripwire": "caller-order",
    "events tripwire": "account-minute",
    "events schedule": "restart-draws journey-minute-around",
    "events completes schedule": "picks-looked-at",
    "fleet": "build-pieces address-kept",
    "fleet writes": "kept-roots-beneath",
    "timing": "rom-second kept-fraction late-seed kept-bits secret-behind-off secret-behind-clock",
    "timing completes": "late-follower",
    "phases writes": "kept-poll-77",
    "horizon": "weeks-off",
    "horizon writes": "kept-years message-late",
    "faults": "late-report",
    "faults writes": "kept-failure kept-failure-late",
    "server-state": "etag-bits answer-seconds answer-reads poll-seconds-around",
    "determinism": "import-bits process-bits",
    "machine": " ".join(mutant.id for mutant in MUTANTS if "machine" in mutant.only),
    "parts": "packs-single-parts packs-missed-first",
    "packs": "sim-near-bad-pack login-after-bad-pack picks-language",
    "packs grammar": "picks-order",
    "holdings": "packs-single-parts packs-missed-first picks-language",
    "holdings grammar": "picks-order",
    "crossed": (
        "text-retry login-failures-minute weeks-off clock-went-back imei-inside sim-near-bad-pack"
        " login-after-bad-pack secret-behind-off secret-behind-clock"
        " host-behind-reset disk-behind-install host-after-halt host-inside content-when-renamed"
        " snapshot-when-fuller minute-behind-zone"
    ),
    "crossed writes": "call-package-beneath call-refusal-package-beneath",
    "crossed tripwire writes": "reset-package-beneath",
    "crossed grammar": "tag-after-restart wait-after-pause",
    "crossed grammar tripwire": "reset-owner",
    "crossed tripwire": "reset-time",
    "offers": (
        "place-login-around place-restart-around place-one-behind two-messages-later"
        " two-starts-later failed-boot-later"
    ),
    "split": "part-closed-twice-beneath",
    "split writes": "part-in-two-beneath",
    "installs": "install-closed-twice-beneath",
    "install-faults grammar tripwire": "failed-install-report-beneath",
    "install-faults tripwire writes": "failed-install-pieces-beneath",
    "install-state grammar": "install-if-range-beneath",
    "install-state writes": "install-wait-beneath",
}
"""Leaky clients by the judges that find each; the first is the battery's own."""
BY_GUARDS = {
    ("events", "tripwire"): "text-kept-around",
    ("events", "again"): "tables-at-start",
    ("stationarity", "again"): "targets-now-and-then",
    ("faults", "again"): "latest-after-outage",
    ("determinism", "egress"): "asked-for-show detour-process pause-socket",
    ("crossed", "schedule"): "reset-soon",
    ("offers", "egress"): "failed-boot-as-name",
}
"""Leaky clients that a guard finds in the runs of a battery, and the battery itself does not."""
ROWS = [
    *(
        (judges.split()[0], name, judges)
        for judges, names in FOUND.items()
        for name in names.split()
    ),
    *(
        (oracle, name, judge)
        for (oracle, judge), names in BY_GUARDS.items()
        for name in names.split()
    ),
]
ORACLES = {oracle for oracle, _, _ in ROWS}

CONDITIONS = {
    "sim-near-bad-pack": {"packs": "bad", "life": "everything"},
    "login-after-bad-pack": {"packs": "bad", "life": "everything", "install": "whole"},
    "disk-behind-install": {"fault": "install", "install": "whole"},
    "imei-inside": {"addresses": "private"},
    "host-inside": {"addresses": "private"},
    "call-package-beneath": {"life": "talk", "install": "later"},
    "call-refusal-package-beneath": {"fault": "unreached", "life": "everything", "install": "step"},
    "reset-package-beneath": {"reset": "late", "install": "step", "restart": "in each interval"},
    "login-failures-minute": {"fault": "unreached", "life": "everything", "strikes": "always"},
}
"""Crossed conditions under which a client leaks; other cases are left out."""
EVENTS = {
    "place-login-around": "account-login",
    "place-restart-around": REBOOT,
    "place-one-behind": "app-installed",
    "two-messages-later": "sms-received",
    "two-starts-later": REBOOT,
}
"""Events between the offers, for clients that then choose another one."""
FIELDS = {
    "answer-seconds": "pieces",
    "answer-reads": "pieces",
    "poll-seconds-around": "pieces",
    "etag-bits": "all",
}
"""The difference between two servers that a client remembers."""


@cache
def cached_testbed(make):
    """Plan the testbed of a client."""
    return plan_testbed(make, SEED)


def choose_cases(oracle, name):
    """Choose the cases of a battery in which a client can leak; None for all."""
    if oracle == "crossed":
        levels = CONDITIONS.get(name, {}).items()
        rows = list_rows(SEED, RARE["crossed"])
        return [number for number, row in enumerate(rows) if levels <= row.items()]
    if oracle == "offers" and name in EVENTS:
        return [KINDS.index(EVENTS[name])]
    if oracle == "server-state" and name in FIELDS:
        places = [place for place, pair in enumerate(HOSTILE) if pair.field == FIELDS[name]]
        return [*places, *(place + len(HOSTILE) for place in places)]
    return None


def killers(make, oracle, numbers=None, *, searched=1, enough=None):
    """Return the judges that find a client in some cases of one battery, or in all of them.

    The runs of the first `searched` cases are searched for the owner's values.
    """
    profile = replace(PROFILES["mutant"].only([oracle]), searched=searched)
    (battery,) = make_batteries(cached_testbed(make), profile)
    if numbers is not None:
        whole = battery
        battery = replace(battery, size=len(numbers), make=lambda place: whole.make(numbers[place]))
    return {*try_client(make, (battery,), profile, enough=enough).killed_by}


@pytest.mark.parametrize(("oracle", "name", "judges"), ROWS)
def test_leaky_client_is_found(oracle, name, judges):
    """The battery that varies what a client depends on, and the expected guards, find it."""
    judges = judges.split()
    # Crossed cases, and batteries that find nothing themselves, would otherwise run to their end.
    enough = None if oracle in judges and oracle != "crossed" else len(judges)
    make, numbers = find_mutant(name).make, choose_cases(oracle, name)
    # The search for the owner's values takes a second, and is not needed here.
    assert {*judges} <= killers(make, oracle, numbers, searched=0, enough=enough)


def test_clients_with_own_batteries_are_all_tested():
    """Clients of family `writes` and battery `fleet` are excepted: any run shows their leak."""
    several = {"packs", "picks"}  # not each of their batteries shows their leak
    waiting = {
        (oracle, mutant.id)
        for mutant in MUTANTS
        for oracle in mutant.only
        if oracle != "fleet" and mutant.family not in {*several, "writes"}
    }
    tested = {(oracle, name) for oracle, name, _ in ROWS}
    assert waiting <= tested
    assert {m.id for m in MUTANTS if m.family in several} <= {name for _, name in tested}
    assert {oracle for mutant in MUTANTS for oracle in mutant.only} >= {*RARE}


def test_mutant_is_examined_only_by_its_own_batteries():
    """Those that `only` names, and the guards."""
    number = [mutant.id for mutant in MUTANTS].index("install-if-range-beneath")
    trial = try_mutant(Plan("", "mutant", SEED), "ours", number, None)
    assert {*trial.killed_by} == {"install-state", "grammar"}
    assert trial.examined_by & BATTERIES.keys() == {"install-state"}


@pytest.mark.parametrize("oracle", sorted(ORACLES - {"crossed", "offers", "split"}))
def test_clean_client_raises_no_alarm(oracle):
    """The tests of the excluded batteries try clean clients."""
    numbers = range(0, 246, 4) if oracle == "server-state" else None
    assert killers(ToyClient, oracle, numbers) == set()


@pytest.mark.parametrize(
    ("oracle", "numbers"),
    [
        ("timing", range(5)),
        ("machine", range(0, 16, 3)),
        ("parts", None),
        ("packs", range(0, 18, 3)),
        ("holdings", None),
        ("events", range(0, 40, 3)),
    ],
)
def test_phone_raises_no_alarm(oracle, numbers):
    """Hening's own phone passes in the batteries with the most varied environments."""
    assert killers(PollingClient, oracle, numbers) == set()


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("same-looking", "machine"),
        ("same-packs-again", "parts"),
        ("same-packs-again", "packs"),
        ("same-packs-again", "holdings"),
        ("same-noting-refusals", "install-faults"),
        ("same-noting-refusals", "offers"),
        ("same-around", "offers"),
    ],
)
def test_harmless_client_raises_no_alarm(name, oracle):
    """It only reads or counts; in every third case of offers no build boots."""
    numbers = range(0, len(KINDS), 3) if oracle == "offers" else None
    assert killers(find_mutant(name).make, oracle, numbers) == set()
