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
from client_sim.lab.programme.plan import Plan, make_batteries
from client_sim.lab.programme.profile import PROFILES, RARE
from client_sim.lab.programme.runner import try_client
from client_sim.lab.programme.workers import try_mutant
from client_sim.lab.scenarios.driving import REBOOT
from client_sim.lab.servers.hostile import HOSTILE
from client_sim.lab.servers.memo import memoised

SEED = 0
FOUND = {
    "personal": {
        "address-bit": "personal",
        "real-host": "personal",
        "real-numbers": "personal",
        "real-address": "personal",
        "imei-inside": "personal",
        "reads-on-owner": "personal",
    },
    "events": {
        "restart-second": "events",
        "restart-order": "events",
        "abroad-over-tls": "events",
        "text-kept-around": "tripwire",
        "caller-order": "events grammar tripwire",
        "account-minute": "events tripwire",
        "restart-draws": "events schedule",
        "message-draws": "events schedule",
        "journey-minute-around": "events schedule",
        "busy-interval": "events",
        "four-messages": "events",
        "event-after-quiet": "events",
        "outage-after-travel": "events",
        "reads-on-events": "events",
        "tables-at-start": "again",
        "picks-at-home": "events completes",
        "picks-looked-at": "events completes schedule",
    },
    "fleet": {
        "build-pieces": "fleet",
        "address-kept": "fleet",
        "kept-roots-beneath": "fleet writes",
        "kept-package": "fleet",
    },
    "timing": {
        "rom-second": "timing",
        "kept-fraction": "timing",
        "late-seed": "timing",
        "late-follower": "timing completes",
        "kept-bits": "timing",
        "secret-behind-off": "timing",
        "secret-behind-clock": "timing",
        "secret-over-reset": "timing",
    },
    "phases": {"kept-poll-77": "phases writes"},
    "stationarity": {"targets-now-and-then": "again", "packs-once-more": "again"},
    "horizon": {
        "late-over-tls": "horizon",
        "kept-years": "horizon writes",
        "message-late": "horizon writes",
        "weeks-off": "horizon",
    },
    "faults": {
        "late-report": "faults",
        "kept-failure": "faults writes",
        "kept-failure-late": "faults writes",
        "latest-after-outage": "again",
        "snapshot-after-failure": "again",
    },
    "server-state": {
        "etag-bits": "server-state",
        "answer-seconds": "server-state",
        "answer-reads": "server-state",
        "poll-seconds-around": "server-state",
    },
    "determinism": {
        "import-bits": "determinism",
        "process-bits": "determinism",
        "asked-for-show": "egress",
        "detour-process": "egress",
        "pause-socket": "egress",
    },
    "machine": dict.fromkeys(
        (mutant.id for mutant in MUTANTS if "machine" in mutant.only), "machine"
    ),
    "parts": {
        "packs-single-parts": "parts",
        "packs-missed-first": "parts",
        "packs-cache-beneath": "parts",
    },
    "packs": {
        "sim-near-bad-pack": "packs",
        "login-after-bad-pack": "packs",
        "picks-language": "packs",
        "picks-at-home": "packs",
        "picks-order": "packs grammar",
        "picks-withdrawn": "packs",
    },
    "holdings": {
        "packs-single-parts": "holdings",
        "packs-missed-first": "holdings",
        "packs-again-by-id": "holdings",
        "packs-cache-beneath": "holdings",
        "picks-language": "holdings",
        "picks-order": "holdings grammar",
        "picks-bucket": "holdings completes",
        "picks-withdrawn": "holdings",
    },
    "crossed": {
        "call-package-beneath": "crossed writes",
        "call-refusal-package-beneath": "crossed writes",
        "reset-package-beneath": "crossed tripwire writes",
        "text-retry": "crossed",
        "login-failures-minute": "crossed",
        "tag-after-restart": "crossed grammar",
        "wait-after-pause": "crossed grammar",
        "reset-soon": "schedule",
        "reset-owner": "crossed grammar tripwire",
        "reset-time": "crossed tripwire",
        "weeks-off": "crossed",
        "clock-went-back": "crossed",
        "imei-inside": "crossed",
        "sim-near-bad-pack": "crossed",
        "login-after-bad-pack": "crossed",
        "secret-behind-off": "crossed",
        "secret-behind-clock": "crossed",
        "secret-over-reset": "crossed",
        "host-behind-reset": "crossed",
        "disk-behind-install": "crossed",
        "host-after-halt": "crossed",
        "host-inside": "crossed",
        "content-when-renamed": "crossed",
        "snapshot-when-fuller": "crossed",
        "minute-behind-zone": "crossed",
    },
    "offers": {
        "place-login-around": "offers",
        "place-restart-around": "offers",
        "place-one-behind": "offers",
        "two-messages-later": "offers",
        "two-starts-later": "offers",
        "failed-boot-as-name": "egress",
        "failed-boot-later": "offers",
    },
    "split": {"part-in-two-beneath": "split writes", "part-closed-twice-beneath": "split"},
    "installs": {"install-closed-twice-beneath": "installs"},
    "install-faults": {
        "failed-install-report-beneath": "install-faults grammar tripwire",
        "failed-install-pieces-beneath": "install-faults tripwire writes",
    },
    "install-state": {
        "install-if-range-beneath": "install-state grammar",
        "install-wait-beneath": "install-state writes",
    },
}
"""By battery the clients that it examines here, and judges that find each."""

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


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Check each signature once."""
    with memoised():
        yield


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


@pytest.mark.parametrize(
    ("oracle", "name"), [(oracle, name) for oracle, names in FOUND.items() for name in names]
)
def test_a_leak_is_found_by_what_it_varies_with(oracle, name):
    """In the battery that varies it, alone or where conditions meet."""
    judges = FOUND[oracle][name].split()
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
    here = {(oracle, name) for oracle, names in FOUND.items() for name in names}
    assert waiting <= here
    assert {m.id for m in MUTANTS if m.family in several} <= {name for _, name in here}
    assert {oracle for mutant in MUTANTS for oracle in mutant.only} >= {*RARE}
    number = [mutant.id for mutant in MUTANTS].index("part-in-two-beneath")
    assert try_mutant(Plan("", "mutant", SEED), "ours", number, None).killed_by == (
        *("split", "writes"),
    )


@pytest.mark.parametrize("oracle", sorted(FOUND.keys() - {"crossed", "offers", "split"}))
def test_a_clean_client_is_not_accused(oracle):
    """Nor does any guard speak; those left out are tried with their batteries."""
    assert killers(ToyClient, oracle) == set()


@pytest.mark.parametrize("oracle", ["timing", "machine", "parts", "packs", "holdings", "events"])
def test_the_phone_is_not_accused(oracle):
    """It draws behind all of it as ever; before each of four polls, and over 305 polls."""
    assert killers(PollingClient, oracle, range(5) if oracle == "timing" else None) == set()


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
