"""Counters of several processes are added."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from server.http.counts import Counts, CountsCollector


def test_counts_of_processes_are_added():
    """Each metric is the sum of all processes, and every counter exists from the start."""
    whole = Counts()
    registry = CollectorRegistry()
    registry.register(CountsCollector(whole))
    assert b'hening_answers_total{status="503"} 0.0' in generate_latest(registry)
    for number in (1, 2):
        part = Counts(unknown_headers=number, connections=number, downloads=number)
        part.answers[200] = 10 * number
        part.refusals["cookie"] = number
        part.cuts["stall"] = number
        whole.add(part)
    shown = generate_latest(registry).decode()
    for line in (
        'hening_answers_total{status="200"} 30.0',
        'hening_refusals_total{reason="cookie"} 3.0',
        'hening_cuts_total{limit="stall"} 3.0',
        "hening_unknown_headers_total 3.0",
        "hening_connections 3.0",
        "hening_downloads 3.0",
    ):
        assert line in shown.splitlines()
    assert "created" not in shown


def test_unknown_counts_are_refused():
    """A worker cannot add a label to the metrics."""
    for part in (Counts(answers={799: 1}), Counts(refusals={"x": 1}), Counts(cuts={"x": 1})):
        with pytest.raises(KeyError):
            Counts().add(part)
