"""Two workers: the balance of their connections, and their CPU per poll."""

from contextlib import ExitStack
from functools import partial

from benchmarks.device.cpu import descriptors
from benchmarks.device.crowd import crowd
from benchmarks.device.hening import has_workers, worker_pids
from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import CrowdSpec
from benchmarks.device.process import Server, find
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import Rounds, alternate, median, ratio
from benchmarks.device.state import TIMESTAMP
from benchmarks.device.wire import phone_request
from benchmarks.device.wrk import run_wrk

CONNECTIONS = 2_000
BOTH = (0, 1)  # cores of load and servers; they share them, so only CPU per poll is comparable
COLUMNS = ["per second", "CPU us a poll", "to one worker", "server's cores"]


def workers(lab: Lab) -> Report:
    """Compare the CPU per poll of two workers with that of one, and count their connections."""
    title = f"Two workers, {CONNECTIONS:,} connections"
    unevenness: float | None = None
    results: Rounds = {}
    if has_workers() and find("wrk"):
        with ExitStack() as stack:
            two = stack.enter_context(lab.hening(workers=2, cores=BOTH))
            one = stack.enter_context(lab.hening(workers=1, cores=BOTH))
            unevenness = _unevenness(lab, two)
            servers = {"one worker": one, "two workers": two}
            runs = {
                name: partial(run_wrk, server, TIMESTAMP, lab.seconds, CONNECTIONS, BOTH)
                for name, server in servers.items()
            }
            results = alternate(runs, lab.rounds, lab.tell)
    rows: list[Row] = [
        (
            name,
            [
                median(measured, lambda run: run.rate),
                median(measured, lambda run: 1e6 / run.per_cpu),
                ratio(results, name, "one worker", lambda run: 1 / run.per_cpu),
                median(measured, lambda run: run.cores),
            ],
        )
        for name, measured in results.items()
    ]
    more = ratio(results, "two workers", "one worker", lambda run: 1 / run.per_cpu)
    claims = [
        Claim(
            "two workers: share of connections off the half", unevenness, 0.1, "", at_least=False
        ),
        Claim("two workers: CPU per poll to one's", more, 1.05, "", at_least=False),
    ]
    return Report("workers", title, COLUMNS, rows, claims)


def _unevenness(lab: Lab, server: Server) -> float:
    data = phone_request(server.port, TIMESTAMP).decode()
    spec = CrowdSpec(port=server.port, seconds=0, request=data, connections=CONNECTIONS)
    pids = worker_pids(server)
    before = [descriptors(pid) for pid in pids]
    with crowd(lab, spec):
        shares = [descriptors(pid) - less for pid, less in zip(pids, before, strict=True)]
    half = sum(shares) / len(shares)
    return max(abs(share - half) for share in shares) / half
