"""What the polls of a run sent, equal ones once."""

from client_sim.lab.report.html.polls import list_polls
from tests.client_sim.lab.report.conftest import observe


def test_equal_polls_and_requests_are_shown_once(reports):
    """Two connections with the same bytes are one kind; another that begins alike says so.

    What nobody explains is red, its lines apart.
    """
    (kind,) = list_polls(reports.clean.report.result.sample)
    assert (kind.times, kind.size) == (2, 179)
    assert [request.exchange.rule for request in kind.requests] == ["root", "timestamp"]
    kinds = [chip.kind for chip in kind.requests[0].chips]
    assert kinds == ["same", "same", "state", *(["same"] * 7)]
    first, _ = reports.poll.split(b"\r\n\r\n", 1)
    sample = observe(reports.poll, reports.poll, first + b"\r\n\r\n")
    long, short = list_polls(sample)
    assert [request.is_known for request in long.requests] == [False, False]
    assert [request.is_known for request in short.requests] == [True]
    (kind,) = list_polls(reports.leaking.report.result.sample)
    ((chip,),) = [request.chips for request in kind.requests]
    assert chip.kind == "stray"
    assert chip.lines[0] == "POST /pass HTTP/1.1\\r\\n"
    assert chip.lines[-1] == "imei=***************&end"
