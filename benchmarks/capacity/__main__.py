"""Estimate a site's capacity: a million polls a minute, a city after an outage, 100 million phones.

    python -m benchmarks.capacity [--rounds 3] [--seconds 4] [--plot FILE]

The cost of one poll is measured (`benchmarks.device`: CPU over TLS, bytes), the rest is computed.
Where two cores suffice, the computation is compared with `hening-device fleet`.
"""

import argparse
import ssl
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.capacity import wake
from benchmarks.capacity.model import (
    MEAN,
    ROOM,
    Costs,
    Wave,
    daily_bytes,
    due_share,
    package_rate,
    queue,
)
from benchmarks.capacity.plot import draw
from benchmarks.device.certificate import make_certificate
from benchmarks.device.lab import Lab
from benchmarks.device.machine import look_at_machine, raise_descriptors
from benchmarks.device.scenarios import tls
from benchmarks.device.scenarios.sizes import measure_poll
from benchmarks.device.state import make_site
from benchmarks.device.wire import HOST
from client_sim.device.internet import make_tls_context

WIDTH = 120  # columns, if the output is not a terminal
CITY = Wave(phones=200_000, seconds=60.0)
HOURS = 24.0  # simulated after the city wakes
MANY, MODELS = 100_000_000, 1_000
INCREMENTAL, FULL = 2e8, 1e9  # bytes of packages
MONTH = 30.0  # days in which each phone gets one build
ROLLOUT = 8 / 24  # days until all phones have the offer, if the rollout has no stages
GIGA = 1e9


def main() -> None:
    """Measure, compute, print, and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="for the cost of a poll")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a run of a round")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for models, up to 1")
    parser.add_argument("--wake", type=float, default=20.0, help="seconds in which phones wake")
    parser.add_argument("--rates", default="400,800,1200", help="phones a second")
    parser.add_argument("--beside", type=int, default=2, help="busy loops beside the server, last")
    parser.add_argument("--devices", type=int, default=20_000, help="phones of the simulated day")
    parser.add_argument("--plot", type=Path, help="write the picture of a city here")
    chosen = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    raise_descriptors()
    console.print(str(look_at_machine()))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        site = make_site(folder / "state", 10, 1, lambda _line: None)
        lab = Lab(site, folder, chosen.seconds, chosen.rounds, chosen.scale, lambda _line: None)
        costs = _measure(console, lab)
        rates = [float(word) for word in chosen.rates.split(",")]
        console.print(wake.measure(lab, rates, chosen.wake, chosen.beside))
    _print_million(console, costs)
    _print_city(console, costs)
    console.print(wake.compare(Wave(chosen.devices, CITY.seconds), HOURS))
    _print_many(console, costs)
    if chosen.plot:
        chosen.plot.write_text(draw(CITY, costs.ours, HOURS), encoding="utf-8")


def _measure(console: Console, lab: Lab) -> Costs:
    report = tls.polls(lab, (tls.EDGE,))
    rates = {name: cells[report.columns.index("per CPU second")] for name, cells in report.rows}
    ours, edge = (1 / rates[name] for name in ("hening", tls.EDGE))
    handshake = _handshake_bytes(lab.folder)
    codenames = max(2, round(MODELS * lab.scale))
    _, _, _, unchanged, _, changed = measure_poll(lab, codenames, ("id",))
    console.print(
        f"A poll over TLS: {ours * 1e6:.0f} us of hening, {edge * 1e6:.0f} us of an nginx cache."
        f" To the phone: {handshake:,} bytes of TLS, {unchanged:,.0f} of HTTP, or {changed:,.0f}"
        f" behind a publication of {codenames:,} models with three channels each."
    )
    return Costs(ours, edge, handshake + unchanged, handshake + changed)


def _handshake_bytes(folder: Path) -> int:
    """Return the bytes that a server sends in a TLS handshake, with one P-256 certificate."""
    certificate = make_certificate(folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.chain, certificate.key)
    server.num_tickets = 0
    to_phone, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    phone = make_tls_context(certificate.chain.read_text())
    sides = [
        phone.wrap_bio(to_phone, to_server, server_hostname=HOST),
        server.wrap_bio(to_server, to_phone, server_side=True),
    ]
    sent = 0
    for _ in range(2):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            finally:
                sent = max(sent, to_phone.pending)
    return sent


def _print_million(console: Console, costs: Costs) -> None:
    rate = 1_000_000 / 60
    table = Table("a million phones a minute, over TLS", "us a poll", "cores", "Gbit/s to phones")
    for name, cost in (("hening alone", costs.ours), ("nginx caches in front", costs.edge)):
        sent = f"{rate * costs.unchanged * 8 / GIGA:.2f}"
        table.add_row(name, f"{cost * 1e6:.0f}", f"{rate * cost:.1f}", sent)
    console.print(table)


def _print_city(console: Console, costs: Costs) -> None:
    console.print(
        f"{CITY.phones:,} phones wake in {CITY.seconds:.0f} s: {CITY.rate:,.0f} polls a second."
        f" Of a fleet, {due_share(1):.0%} have a poll due within an hour without power,"
        f" {due_share(4):.0%} within four, all within eight."
    )
    table = Table("cores and workers", "polls a second", "most that wait", "longest", "refused")
    for cores in (1, 2, 4):
        capacity = cores / costs.ours
        found = queue(CITY, capacity, cores * ROOM)
        table.add_row(
            *(f"{cores}", f"{capacity:,.0f}", f"{found.waiting:,.0f}", f"{found.longest:.0f} s"),
            f"{found.refused:,.0f}",
        )
    console.print(table)


def _print_many(console: Console, costs: Costs) -> None:
    rate, polls = MANY / MEAN, daily_bytes(MANY, costs, 1)
    table = Table(f"{MANY:,} phones, {MODELS:,} models, one publication a day", "")
    for what, value in (
        ("polls a second", f"{rate:,.0f}"),
        ("cores, hening alone", f"{rate * costs.ours:.1f}"),
        ("cores of nginx caches", f"{rate * costs.edge:.1f}"),
        ("bytes of polls a day", f"{polls / 1e12:.1f} TB, {polls * 8 / 86_400 / GIGA:.2f} Gbit/s"),
        ("incrementals, one a month", _gigabits(package_rate(MANY, INCREMENTAL, MONTH))),
        ("full packages, one a month", _gigabits(package_rate(MANY, FULL, MONTH))),
        ("incrementals, all at once", _gigabits(package_rate(MANY, INCREMENTAL, ROLLOUT))),
        ("full packages, all at once", _gigabits(package_rate(MANY, FULL, ROLLOUT))),
    ):
        table.add_row(what, value)
    console.print(table)


def _gigabits(rate: float) -> str:
    return f"{rate / GIGA:,.0f} Gbit/s"


if __name__ == "__main__":
    main()
