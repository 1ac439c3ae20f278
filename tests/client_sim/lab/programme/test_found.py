"""Leaky clients are found by the battery that varies what they follow; clean ones by nothing.

What is expected follows from what each leak shows, and when. Other judges may speak, too.
"""

from dataclasses import replace
from functools import cache

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import MUTANTS, find_mutant
from client_sim.lab.programme.batteries.crossed import list_rows
from client_sim.lab.programme.batteries.offers import KINDS
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import PROFILES, RARE, Plan, make_batteries
from client_sim.lab.programme.runner import try_client, try_mutant
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
    "events schedule": "restart-draws message-draws journey-minute-around",
    "events completes": "picks-at-home",
    "events completes schedule": "picks-looked-at",
    "fleet": "build-pieces address-kept kept-package",
    "fleet writes": "kept-roots-beneath",
    "timing": (
        "rom-second kept-fraction late-seed kept-bits secret-behind-off secret-behind-clock"
        " secret-over-reset"
    ),
    "timing completes": "late-follower",
    "phases writes": "kept-poll-77",
    "horizon": "late-over-tls weeks-off",
    "horizon writes": "kept-years message-late",
    "faults": "late-report",
    "faults writes": "kept-failure kept-failure-late",
    "server-state": "etag-bits answer-seconds answer-reads poll-seconds-around",
    "determinism": "import-bits process-bits",
    "machine": " ".join(mutant.id for mutant in MUTANTS if "machine" in mutant.only),
    "parts": "packs-single-parts packs-missed-first packs-cache-beneath",
    "packs": (
        "sim-near-bad-pack login-after-bad-pack picks-language picks-at-home picks-withdrawn"
    ),
    "packs grammar": "picks-order",
    "holdings": (
        "packs-single-parts packs-missed-first packs-again-by-id packs-cache-beneath"
        " picks-language picks-withdrawn"
    ),
    "holdings grammar": "picks-order",
    "holdings completes": "picks-bucket",
    "crossed": (
        "text-retry login-failures-minute weeks-off clock-went-back imei-inside sim-near-bad-pack"
        " login-after-bad-pack secret-behind-off secret-behind-clock secret-over-reset"
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
"""Leaky clients by the judges that find each, of which the first is the battery's own."""
OTHERWISE = {
    ("events", "tripwire"): "text-kept-around",
    ("events", "again"): "tables-at-start",
    ("stationarity", "again"): "targets-now-and-then packs-once-more",
    ("faults", "again"): "latest-after-outage snapshot-after-failure",
    ("determinism", "egress"): "asked-for-show detour-process pause-socket",
    ("crossed", "schedule"): "reset-soon",
    ("offers", "egress"): "failed-boot-as-name",
}
"""By battery and judge those that the battery itself does not name."""
ROWS = [
    *(
        (judges.split()[0], name, judges)
        for judges, names in FOUND.items()
        for name in names.split()
    ),
    *(
        (oracle, name, judge)
        for (oracle, judge), names in OTHERWISE.items()
        for name in names.split()
    ),
]
ORACLES = {oracle for oracle, _, _ in ROWS}

MEETS = {
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
"""Crossed conditions in which a client has something to tell; without them dozens show nothing."""
AROUND = {
    "place-login-around": "account-login",
    "place-restart-around": REBOOT,
    "place-one-behind": "app-installed",
    "two-messages-later": "sms-received",
    "two-starts-later": REBOOT,
}
"""What happens between the offers of which a client takes one otherwise."""
FIELDS = {
    "answer-seconds": "pieces",
    "answer-reads": "pieces",
    "poll-seconds-around": "pieces",
    "etag-bits": "all",
}
"""What two servers differ in that a client remembers."""


@cache
def ground(make):
    """Make the ground that suits a client."""
    return plan_ground(make, SEED)


def keep_cases(battery, numbers):
    """Keep some cases of a battery: the others show nothing of some clients."""
    return replace(battery, size=len(numbers), make=lambda place: battery.make(numbers[place]))


def choose_cases(oracle, name, size):
    """Choose cases of a battery of so many in which a client has something to tell."""
    if oracle == "crossed":
        levels = MEETS.get(name, {}).items()
        return [n for n, row in enumerate(list_rows(SEED, size)) if levels <= row.items()]
    if oracle == "offers" and name in AROUND:
        return [KINDS.index(AROUND[name])]
    if oracle == "server-state" and name in FIELDS:
        places = [place for place, pair in enumerate(HOSTILE) if pair.field == FIELDS[name]]
        return [*places, *(place + len(HOSTILE) for place in places)]
    return range(size)


def killers(make, oracle, numbers=None, *, name="", enough=None):
    """Let one battery, as large as leaky clients need, and the guards look at a client.

    A client that is named leaks. It is not searched for its owner's values, which takes a second.
    """
    profile = PROFILES["mutant"].only([oracle])
    if name:
        profile = replace(profile, searched=0)
    (battery,) = make_batteries(ground(make), profile)
    chosen = choose_cases(oracle, name, battery.size) if numbers is None else numbers
    battery = keep_cases(battery, chosen)
    return {*try_client(make, (battery,), profile, enough=enough).killed_by}


@pytest.mark.parametrize(("oracle", "name", "judges"), ROWS)
def test_a_leak_is_found_by_what_it_varies_with(oracle, name, judges):
    """In the battery that varies it, alone or where conditions meet."""
    judges = judges.split()
    # Crossings are hundreds of cases; a battery that is not to speak itself would go on to its end.
    enough = None if oracle in judges and oracle != "crossed" else len(judges)
    assert {*judges} <= killers(find_mutant(name).make, oracle, name=name, enough=enough)


def test_all_that_wait_for_one_battery_are_here():
    """But those that any run shows, and batteries in which a leak of packs shows or does not."""
    several = {"packs", "picks"}
    waiting = {
        (oracle, mutant.id)
        for mutant in MUTANTS
        for oracle in mutant.only
        if oracle != "fleet" and mutant.family not in {*several, "writes"}
    }
    here = {(oracle, name) for oracle, name, _ in ROWS}
    assert waiting <= here
    assert {m.id for m in MUTANTS if m.family in several} <= {name for _, name in here}
    assert {oracle for mutant in MUTANTS for oracle in mutant.only} >= {*RARE}
    number = [mutant.id for mutant in MUTANTS].index("part-in-two-beneath")
    assert try_mutant(Plan("", "mutant", SEED), "ours", number, None).killed_by == (
        *("split", "writes"),
    )


@pytest.mark.parametrize("oracle", sorted(ORACLES - {"crossed", "offers", "split"}))
def test_a_clean_client_is_not_accused(oracle):
    """Nor does any guard speak; those left out are tried with their batteries."""
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
def test_the_phone_is_not_accused(oracle, numbers):
    """It draws behind all of it as ever; before each of four polls, and over 305 polls."""
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
def test_a_harmless_client_is_not_accused(name, oracle):
    """It looks or counts, and nothing is sent; no build boots in every third case of offers."""
    numbers = range(0, len(KINDS), 3) if oracle == "offers" else None
    assert killers(find_mutant(name).make, oracle, numbers) == set()
