"""The page of a run has its numbers, and what went wrong."""

from collections import Counter

from client_sim.fleet.errors import Fault
from client_sim.fleet.page import render_page
from client_sim.fleet.report import make_report
from client_sim.fleet.tally import Failure
from client_sim.fleet.twins import Sample
from tests.client_sim.fleet.test_report import make_outcome
from tests.client_sim.pages.test_origin import ORIGIN


def test_failures_and_requests_are_shown():
    """Each failure with its count, each request with its senders, six pictures."""
    fault = Fault("no <answer>", 1.5, "armani/id/stable", "GET /metadata/timestamp.json", "")
    failures = Counter({Failure.CUT: 1200, Failure.HTTP: 2})
    outcome = make_outcome(failures=failures, mishaps=[fault])
    page = render_page(make_report(outcome, Sample()), ORIGIN)
    assert page.count("<svg") == page.count("</svg>") == 6
    assert '<td class="number">1,200</td>' in page
    assert "no &lt;answer&gt;" in page
    assert '<td class="number">200</td><td class="number">900</td>' in page
    assert "GET /?who=me" in page


def test_a_run_without_failures_says_so():
    """In one word."""
    assert "<p>Nothing.</p>" in render_page(make_report(make_outcome(), Sample()), ORIGIN)
