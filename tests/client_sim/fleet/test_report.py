"""The report of a run: as values, as a page, and on a terminal."""

import io
from collections import Counter

from rich.console import Console

from client_sim.device.pointer import decode_pointer
from client_sim.fleet.errors import MISHAPS, Fault, first_line
from client_sim.fleet.fleet import Moment, Outcome, Plan
from client_sim.fleet.lines import LineCount
from client_sim.fleet.presentation import Screen, render_page, summarise
from client_sim.fleet.report import make_report, reached_share, report_to_dict
from client_sim.fleet.survey import Survey
from client_sim.fleet.tally import BINS, Failure, Tally
from client_sim.fleet.target import Target
from client_sim.fleet.twins import Sample
from client_sim.transport import encode_request
from tests.client_sim.device.repository_simulator import START, make_pointer, make_step, response
from tests.client_sim.fleet.conftest import GROUP, PLAIN, live
from tests.client_sim.pages.test_page import ORIGIN

HOUR = 3600
HOST = "127.0.0.1:8080"
LINK = {"p": "armani/id/stable/armani-2-full.zip", "z": 7, "x": "0" * 64, "b": []}


def make_outcome(*, halted=False, **sums):
    """Return the outcome of 200 phones in a day; half are admitted after 12 hours."""
    schedule = [[START, 0], [START + 12 * HOUR, 500]]
    custom = make_pointer([make_step(2, [LINK])], r=schedule, h=halted)
    pointer = decode_pointer("latest/armani/id/stable", custom)
    tally = Tally(polls=1000, requests=2000, sent=5000, received=7000, switched=90, arrived=80)
    tally.arrived_in[60] = 80
    for name, value in sums.items():
        setattr(tally, name, value)
    return Outcome(
        plan=Plan(200, 24.0 * HOUR, 3600.0, 2, 1, PLAIN, 8, False, 1),
        target=Target("127.0.0.1", 8080, "127.0.0.1", tls=False, root=b""),
        survey=Survey((GROUP,), (pointer,), {}),
        begin=float(START),
        real=10.0,
        tally=tally,
        lines=[
            LineCount(encode_request(HOST, "/metadata/timestamp.json"), 900, 200),
            LineCount(encode_request(HOST, "/metadata/1.armani.json"), 80, 80),
            LineCount(b"GET /?who=me HTTP/1.1\r\n\r\n", 1, 1),
        ],
        moments=[Moment(0.0, 0, 0), Moment(5.0, 500, 9), Moment(10.0, 2000, 99)],
        newest=40,
        by_group=(200,),
        memory=(9_000, 20_000),
        cpu=12.0,
    )


def test_rates_and_curve_of_a_report():
    """Rates are those of 10 seconds, and the highest between two moments.

    The curve is of the 160 phones with an older build: 80 of them arrived in stretch 60, and half
    were admitted after half of the run. A halted rollout admits no phone. Requests are named by
    rows of the table, and those in no row are counted separately.
    """
    report = make_report(make_outcome(), Sample())
    assert (report.polls_per_second, report.requests_per_second) == (100.0, 200.0)
    assert report.most_requests_per_second == 300.0
    assert report.speed == 8640.0
    assert (report.bytes_per_idle_phone, report.bytes_per_phone) == (45.0, 100.0)
    curve = report.curve
    assert len(curve) == BINS
    assert [curve[59].arrived, curve[60].arrived, curve[-1].arrived] == [0.0, 0.5, 0.5]
    assert [curve[46].reached, curve[47].reached, curve[-1].reached] == [0.0, 0.5, 0.5]
    assert reached_share(make_outcome(), START + 13.0 * HOUR) == 0.5
    assert reached_share(make_outcome(halted=True), START + 13.0 * HOUR) == 0.0
    kinds = {kind.name: kind for kind in report.kinds}
    assert report.outside_the_grammar == 1
    assert (kinds["timestamp"].sent, kinds["timestamp"].most) == (900, 200)
    assert not kinds["timestamp"].shows_model
    assert kinds["codename"].shows_model


def test_share_of_installs_by_the_real_engine():
    """Twins repeat installations of the fleet, phones of a sample are additional ones."""
    outcome = make_outcome(twins=10, twins_installed=9, twins_left_out=3, twin_refusals=["no"])
    report = make_report(outcome, Sample())
    assert (report.engine_phones, report.engine_installs, report.engine_left_out) == (10, 9, 3)
    assert report.engine_share == 0.1
    assert report.engine_refusals == ("no",)
    report = make_report(make_outcome(), Sample(12, 10, ("why",)))
    assert (report.engine_phones, report.engine_installs) == (12, 10)
    assert report.engine_share == 0.1


def test_server_failures_have_their_cause():
    """Failures of a phone's own network are not among them."""
    outcome = make_outcome(mishaps=[Fault("no connection", 1.0, "a/b/c", "GET /x", "")])
    outcome.tally.failures[Failure.NO_NETWORK] = 5
    outcome.tally.failures[Failure.UNREACHABLE] = 1
    report = make_report(outcome, Sample())
    assert report.server_failures == 1
    assert report.mishaps == ("hour 1.00, a/b/c after GET /x: no connection.",)
    values = report_to_dict(report)
    assert values["failures"] == {Failure.NO_NETWORK.value: 5, Failure.UNREACHABLE.value: 1}
    assert values["requests_seen"][0] == {
        "request": "GET /metadata/timestamp.json",
        "sent": 900,
        "phones": 200,
    }


def test_requests_beyond_the_limit_are_reported():
    """They are mentioned only if there are any."""
    for untold in (1234, 0):
        sentences = summarise(make_report(make_outcome(untold=untold), Sample())).sentences
        text = "1,234 requests came after the first 20,000 distinct"
        assert any(text in each for each in sentences) == bool(untold)
        assert any("distinct ones" in each for each in sentences) == bool(untold)


def test_page_of_a_report():
    """Each failure has its count, each request its senders, and there are six charts."""
    fault = Fault("no <answer>", 1.5, "armani/id/stable", "GET /metadata/timestamp.json", "")
    failures = Counter({Failure.CUT: 1200, Failure.HTTP: 2})
    outcome = make_outcome(failures=failures, mishaps=[fault])
    page = render_page(make_report(outcome, Sample()), ORIGIN)
    assert page.count("<svg") == page.count("</svg>") == 6
    assert '<td class="number">1,200</td>' in page
    assert "no &lt;answer&gt;" in page
    assert '<td class="number">200</td><td class="number">900</td>' in page
    assert "GET /?who=me" in page
    assert "<p>Nothing.</p>" in render_page(make_report(make_outcome(), Sample()), ORIGIN)


def test_a_mishap_is_a_sentence():
    """Time, group, last request and cause; unknown parts are omitted, and a range is shown."""
    full = Fault("no answer in time", 1.5, "a/b/c", "GET /x", "0 bytes of the answer came")
    assert full.describe() == (
        "hour 1.50, a/b/c after GET /x: no answer in time: 0 bytes of the answer came."
    )
    assert Fault("no connection", 0.0, "a/b/c", "", "").describe() == (
        "hour 0.00, a/b/c: no connection."
    )
    assert first_line(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n") == "GET /a"
    data = b"GET /a HTTP/1.1\r\nHost: h\r\nRange: bytes=0-6\r\n\r\n"
    assert first_line(data) == "GET /a  bytes=0-6"


def test_the_first_failures_of_the_server_are_kept(served):
    """They have the real code's own sentence, and their number is limited."""
    driver = served.make_driver(MISHAPS + 5)
    driver.phones.skew[0] = 2 * 86_400
    live(driver, 1)
    assert not driver.tally.mishaps
    path = "/metadata/timestamp.json"
    served.repository.overrides[path] = response(b"503 Service Unavailable", b"")
    driver = served.make_driver(MISHAPS + 5)
    live(driver, 1)
    assert len(driver.tally.mishaps) == MISHAPS
    fault = driver.tally.mishaps[0]
    assert (fault.why, fault.group) == (Failure.HTTP.value, "armani/id/stable")
    assert "503" in fault.detail
    both = Tally()
    both.merge(driver.tally)
    both.merge(driver.tally)
    assert len(both.mishaps) == MISHAPS


def show(*, is_terminal):
    """Return the output of a run of 100 seconds when it is prepared and half done."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=is_terminal, width=140)
    with Screen(100.0, 5000, quiet=False, console=console) as screen:
        screen.prepare("Waking 5,000 phones")
        before = screen._progress and screen._progress.tasks[0].total
        screen.watch(50.0, 1.0, Tally())
        after = screen._progress and screen._progress.tasks[0].percentage
    return output.getvalue(), before, after


def test_screen_of_a_run():
    """A terminal shows a bar, at first without an end; other outputs get lines."""
    assert show(is_terminal=True)[1:] == (None, 50.0)
    first, second = show(is_terminal=False)[0].splitlines()
    assert first == "Waking 5,000 phones."
    assert second.startswith("0.0 h: 0 polls")
