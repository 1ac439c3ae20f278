"""Compares the device plane of two commits, and nginx, in alternating rounds.

    python -m benchmarks.device.commits OLD NEW [--rounds 5] [--seconds 4] [--verbose]

Each commit's server runs from its own git worktree, in the Python environment of this program. A
load has lost speed if the median of the rounds' ratios is below 1 by more than 3 % and by more than
half the difference of their maximum and minimum. The exit status is 1 if any load has lost speed.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.device.hening import running_hening
from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import ClosedSpec
from benchmarks.device.machine import look_at_machine, raise_descriptors
from benchmarks.device.measured import Measured
from benchmarks.device.phone import idle_poll
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import Rounds, alternate, median, ratio
from benchmarks.device.state import TIMESTAMP, make_site
from benchmarks.device.table import print_claims, print_report
from benchmarks.device.wire import curl_request, phone_request

LOST = 0.03  # share of speed that a commit may lose, or half the spread if that is more
BATCH = 16  # requests in a packet of the simulated fleet
COLUMNS = ["old per CPU second", "new", "new to old", "least", "greatest", "new to nginx"]
Load = Callable[[Lab, Server], Measured]


def main() -> None:
    """Compare the two commits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run of a load")
    parser.add_argument("--verbose", action="store_true", help="print each run")
    chosen = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    raise_descriptors()
    console.print(str(look_at_machine()))
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)

        def tell(line: str) -> None:
            if chosen.verbose:
                console.print(line, highlight=False)

        site = make_site(folder / "state", 10, 1, tell)
        lab = Lab(site, folder, chosen.seconds, chosen.rounds, 1.0, tell)
        servers = {}
        for name, commit in (("old", chosen.old), ("new", chosen.new)):
            checkout = stack.enter_context(_checkout(folder / name, commit))
            log = folder / f"{name}.log"
            running = running_hening(site.state.folder.root, log, name=name, checkout=checkout)
            servers[name] = stack.enter_context(running)
        lab.poll_paths = idle_poll(servers["new"].port)
        servers |= lab.start_peers(stack, servers["new"], "nginx")
        report = _compare(lab, servers)
    print_report(console, report)
    print_claims(console, [report])
    sys.exit(any(claim.holds is False for claim in report.claims))


def _compare(lab: Lab, servers: Mapping[str, Server]) -> Report:
    rows: list[Row] = []
    claims = []
    for load, run in LOADS.items():
        runs = {name: partial(run, lab, server) for name, server in servers.items()}
        results = alternate(runs, lab.rounds, lab.tell)
        ratios = _ratios(results)
        middle = ratio(results, "new", "old", _speed)
        allowed = max(LOST, (max(ratios) - min(ratios)) / 2)
        cells = [
            median(results["old"], _speed),
            median(results["new"], _speed),
            middle,
            min(ratios),
            max(ratios),
            ratio(results, "new", "nginx", _speed),
        ]
        rows.append((load, cells))
        claims.append(Claim(f"{load}, new to old", middle, 1 - allowed, "per CPU second"))
    return Report("commits", "The new commit beside the old one", COLUMNS, rows, claims)


def _ratios(results: Rounds) -> list[float]:
    pairs = zip(results["new"], results["old"], strict=True)
    return [_speed(new) / _speed(old) for new, old in pairs]


def _speed(run: Measured) -> float:
    return run.per_cpu


@contextlib.contextmanager
def _checkout(folder: Path, commit: str) -> Iterator[Path]:
    """Check out a commit into `folder` until the block ends."""
    git = ["git", "worktree"]
    subprocess.run(  # noqa: S603 - git, and a commit that the caller names
        [*git, "add", "--quiet", "--detach", str(folder), commit], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)  # noqa: S603 - git


def _kept(lab: Lab, server: Server, make: Callable[[int, str], bytes], batch: int = 1) -> Measured:
    asked = [make(server.port, TIMESTAMP).decode()]
    spec = ClosedSpec(
        port=server.port, seconds=lab.seconds, watch=server.pids, requests=asked, batch=batch
    )
    return lab.run("closed", spec)


def _fresh(lab: Lab, server: Server) -> Measured:
    spec = ClosedSpec(
        port=server.port,
        seconds=lab.seconds,
        watch=server.pids,
        requests=lab.poll(server),
        keep=False,
    )
    return lab.run("closed", spec)


LOADS: Mapping[str, Load] = {
    "a phone's polls, kept connections": partial(_kept, make=phone_request),
    "curl's polls, kept connections": partial(_kept, make=curl_request),
    "a phone's whole poll": _fresh,
    f"packets of {BATCH} requests": partial(_kept, make=phone_request, batch=BATCH),
}


if __name__ == "__main__":
    main()
