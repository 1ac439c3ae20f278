"""Parts of a report: text that may be shown, rows of bytes, requests and polls, one row a value."""

import io

from rich.console import Console

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.dissection import dissect
from client_sim.lab.report.exchanges import (
    exchange_to_dict,
    list_polls,
    render_exchanges,
    show_lines,
)
from client_sim.lab.report.printable import dump, printable
from client_sim.lab.report.wording import Told, gather
from tests.cases import case
from tests.client_sim.lab.report.conftest import observe


def test_rows_of_bytes():
    """They start at multiples of sixteen, whole around the marked ones; what is no sign is a dot.

    Of a long finding the first 128 bytes and what stands around; of nothing, nothing.
    """
    rows = dump(bytes(range(0x30, 0x60)), 18, 3, around=2)
    assert [row.offset for row in rows] == [16]
    (row,) = rows
    assert row.runs() == (
        (False, "40 41", "@A"),
        (True, "42 43 44", "BCD"),
        (False, "45 46 47 48 49 4a 4b 4c 4d 4e 4f", "EFGHIJKLMNO"),
    )
    ((row),) = dump(b"\x00\x7f\xff ~", 0, 1)
    assert "".join(cell.sign for cell in row.cells) == "... ~"
    rows = dump(bytes(10_000), 5000, 5000)
    assert sum(cell.marked for row in rows for cell in row.cells) == 128
    assert len(rows) < 20
    assert dump(b"", 0, 0) == ()


def told(*sentences):
    """Give the sentences that stand for all of these, and for how many."""
    findings = [Finding("here", said, b"octets", at, 1) for at, said in enumerate(sentences)]
    return [(each.finding.explanation, each.times) for each in gather(findings)]


def test_one_value_in_several_dresses_is_one():
    """The first says how it was dressed; two values of a field are two, where they are shown.

    Other sentences are one where they are the same. A contact who has called is in two fields.
    """
    assert told(
        "imei as base64+0: imei(15 digits)",
        "serial as it is: serial(12 characters)",
        "imei as without check digit → base16: imei(15 digits)",
    ) == [("imei as base64+0: imei(15 digits)", 2), ("serial as it is: serial(12 characters)", 1)]
    said = ["contacts.number as it is: +999", "contacts.number as it is: +998"]
    assert told(*said) == [(sentence, 1) for sentence in said]
    said = ["path: not in the table", "polls as late as others", "path: not in the table"]
    assert told(*said) == [("path: not in the table", 2), ("polls as late as others", 1)]
    sentences = ("calls.number as it is: +999", "contacts.number as it is: +999")
    one, other = (Finding("here", said, b"octets", 3, 2) for said in sentences)
    assert gather([one, other]) == (Told(one, 2),)


def test_what_is_not_printed_is_escaped():
    """Controls, direction, noncharacters, lone surrogates, invisible tags; a long text is cut."""
    for text, shown in (
        ("Grüße, 世界, ok", "Grüße, 世界, ok"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202egnp", "\\u202egnp"),
        ("\x00\x85\ufffe\ud800", "\\x00\\x85\\ufffe\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ):
        with case(text, shown):
            assert printable(text) == shown
    assert printable("x" * 5000) == "x" * 2000 + "…"


def show(data):
    """Print what a connection carried."""
    file = io.StringIO()
    render_exchanges(dissect(data, None), Console(file=file, width=80, color_system=None))
    return file.getvalue()


def test_every_field_has_its_offset_and_reason(reports):
    """The version is the only field of a poll that tells anything.

    Bytes that nobody explains are counted; a last line without an end is shown, too.
    """
    said = show(reports.poll)
    assert "    14  2\n" in said
    assert said.count("Can reveal: ") == 1
    assert said.endswith("179 bytes in 2 requests.\n")
    said = show(reports.poll + b"imei=1\x1b[2J")
    assert "imei=1\\x1b[2J\n" in said
    assert said.endswith("189 bytes, of which 10 are not in the request table.\n")
    assert show_lines(b"a\r\n\r\nb") == ("a\\r\\n", "\\r\\n", "b")
    assert show_lines(b"a\r\n") == ("a\\r\\n",)


def test_json_has_every_byte(reports):
    """Fields put together are the request."""
    for exchange in dissect(reports.poll, None):
        told = exchange_to_dict(exchange)
        assert "".join(field["octets"] for field in told["fields"]) == told["octets"]
        for field in told["fields"]:
            assert told["octets"][field["offset"] :].startswith(field["octets"])


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
