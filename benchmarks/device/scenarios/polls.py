"""Polls over kept connections, of phones, other clients and edges, and requests for a next root."""

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import ClosedSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report
from benchmarks.device.rounds import Rounds, alternate, median, ratio
from benchmarks.device.scenarios.columns import COLUMNS, rate_rows
from benchmarks.device.state import NEXT_ROOT, TIMESTAMP
from benchmarks.device.wire import (
    ask,
    curl_request,
    phone_request,
    request,
    request_lines,
    requests_lines,
    requests_request,
)

SETTINGS = ("nginx", "nginx, tcp_nopush", "nginx, sendfile off")
UNIT = "per CPU second"
Make = Callable[[Server], list[bytes]]


def phone(lab: Lab) -> Report:
    """Measure requests with a phone's exact bytes."""
    peers = (*SETTINGS, "nginx cache before hening", "granian", "Flask, gunicorn")
    results = measure(lab, peers, lambda server: [phone_request(server.port, TIMESTAMP)])
    lab.known["peak"] = median(results["hening"], lambda run: run.rate)
    claims = [
        _claim(results, "a phone's polls to nginx with sendfile", "nginx", 1.2),
        best(results, "a phone's polls to nginx's best setting", 1.0),
        _claim(results, "a phone's polls to Flask under gunicorn", "Flask, gunicorn", 20.0),
    ]
    title = "Polls of a phone, kept connections"
    return Report("phone", title, COLUMNS, rate_rows(results), claims)


def curl(lab: Lab) -> Report:
    """Measure curl's requests: they accept no content coding, so the body is longer."""
    results = measure(lab, SETTINGS, lambda server: [curl_request(server.port, TIMESTAMP)])
    claims = [_claim(results, "curl's polls to nginx", "nginx", 1.0)]
    return Report("curl", "Polls with curl's headers", COLUMNS, rate_rows(results), claims)


def requests(lab: Lab) -> Report:
    """Measure the requests of Python's `requests`."""
    results = measure(lab, SETTINGS, lambda server: [requests_request(server.port, TIMESTAMP)])
    claims = [_claim(results, "polls of Python's requests to nginx", "nginx", 1.0)]
    title = "Polls with the headers of Python's requests"
    return Report("requests", title, COLUMNS, rate_rows(results), claims)


def shuffled(lab: Lab) -> Report:
    """Measure clients other than phones, each with another order of the headers."""

    def make(server: Server) -> list[bytes]:
        orders = itertools.permutations(requests_lines(server.port))
        return [request_lines(TIMESTAMP, *lines) for lines in orders]

    results = measure(lab, SETTINGS, make)
    claims = [best(results, "polls with headers in any order to nginx's best setting", 1.0)]
    title = "Polls with the headers of Python's requests, in 64 orders"
    return Report("shuffled", title, COLUMNS, rate_rows(results), claims)


def unchanged(lab: Lab) -> Report:
    """Measure an edge's conditional requests for a copy that is still current."""

    def make(server: Server) -> list[bytes]:
        tag = ask(server.port, phone_request(server.port, TIMESTAMP)).fields["etag"]
        headers = ("Accept-Encoding: gzip", f"If-None-Match: {tag}")
        return [request(server.port, TIMESTAMP, *headers)]

    results = measure(lab, (*SETTINGS, "granian", "Flask, gunicorn"), make)
    claims = [_claim(results, "304 to edges, to nginx", "nginx", 0.9)]
    return Report("unchanged", "304 to edges", COLUMNS, rate_rows(results), claims)


def not_found(lab: Lab) -> Report:
    """Measure the first request of every poll, for a next root that does not exist."""
    peers = (*SETTINGS, "granian", "Flask, gunicorn")
    results = measure(lab, peers, lambda server: [phone_request(server.port, NEXT_ROOT)])
    title = "404 for the next root"
    return Report("not-found", title, COLUMNS, rate_rows(results), [])


def measure(lab: Lab, peers: tuple[str, ...], make: Make) -> Rounds:
    """Measure hening and the peers in turn; connections use the requests of `make` in rotation."""
    with ExitStack() as stack:
        servers = lab.start(stack, *peers)
        runs = {name: partial(_run, lab, server, make(server)) for name, server in servers.items()}
        return alternate(runs, lab.rounds, lab.tell)


def best(results: Rounds, what: str, goal: float) -> Claim:
    """Return the claim about nginx with its fastest settings."""
    known = [ratio(results, "hening", peer, lambda run: run.per_cpu) for peer in SETTINGS]
    least = min((value for value in known if value is not None), default=None)
    return Claim(what, least, goal, UNIT)


def _run(lab: Lab, server: Server, questions: list[bytes]) -> Measured:
    asked = [data.decode() for data in questions]
    spec = ClosedSpec(port=server.port, seconds=lab.seconds, watch=server.pids, requests=asked)
    return lab.run("closed", spec)


def _claim(results: Rounds, what: str, peer: str, goal: float) -> Claim:
    return Claim(what, ratio(results, "hening", peer, lambda run: run.per_cpu), goal, UNIT)
