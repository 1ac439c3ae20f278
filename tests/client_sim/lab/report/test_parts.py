"""Parts of a report: printable text, rows of bytes, requests and polls, and gathered findings."""

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
from client_sim.lab.report.wording import FindingGroup, group_findings
from tests.cases import case
from tests.client_sim.lab.report.conftest import observe


def test_rows_of_bytes():
    """Rows begin at multiples of sixteen, and bytes that are not printable are dots.

    A long finding has its first 128 bytes and those around it.
    """
    rows = dump(bytes(range(0x30, 0xB0)), 50, 3)
    assert [row.offset for row in rows] == [16, 32, 48, 64, 80]
    assert rows[2].runs() == (
        (False, "60 61", "`a"),
        (True, "62 63 64", "bcd"),
        (False, "65 66 67 68 69 6a 6b 6c 6d 6e 6f", "efghijklmno"),
    )
    ((row),) = dump(b"\x00\x7f\xff ~", 0, 1)
    assert "".join(cell.sign for cell in row.cells) == "... ~"
    rows = dump(bytes(10_000), 5000, 5000)
    assert sum(cell.marked for row in rows for cell in row.cells) == 128
    assert len(rows) < 20
    assert dump(b"", 0, 0) == ()


def gather_words(*sentences):
    """Return the explanations of the gathered findings, and their numbers."""
    findings = [Finding("here", text, b"octets", at, 1) for at, text in enumerate(sentences)]
    return [(each.finding.explanation, each.times) for each in group_findings(findings)]


def test_encodings_of_one_value_are_gathered():
    """The first encoding is shown; different values of a field are not gathered.

    Equal explanations are gathered, and so is a value that belongs to two fields.
    """
    assert gather_words(
        "imei as base64+0: imei(15 digits)",
        "serial as it is: serial(12 characters)",
        "imei as without check digit → base16: imei(15 digits)",
    ) == [("imei as base64+0: imei(15 digits)", 2), ("serial as it is: serial(12 characters)", 1)]
    texts = ["contacts.number as it is: +999", "contacts.number as it is: +998"]
    assert gather_words(*texts) == [(text, 1) for text in texts]
    texts = ["path: not in the table", "polls as late as others", "path: not in the table"]
    assert gather_words(*texts) == [("path: not in the table", 2), ("polls as late as others", 1)]
    sentences = ("calls.number as it is: +999", "contacts.number as it is: +999")
    one, other = (Finding("here", text, b"octets", 3, 2) for text in sentences)
    assert group_findings([one, other]) == (FindingGroup(one, 2),)


def test_printable():
    """Controls, bidi controls, noncharacters, lone surrogates and tags are escaped."""
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
    """Print the exchanges of a connection."""
    file = io.StringIO()
    render_exchanges(dissect(data, None), Console(file=file, width=80, color_system=None))
    return file.getvalue()


def test_exchanges_have_offsets_and_reasons(reports):
    """Only the version of a poll can reveal anything.

    Unexplained bytes are counted, and an incomplete last line is shown.
    """
    text = show(reports.poll)
    assert "    14  2\n" in text
    assert text.count("Can reveal: ") == 1
    assert text.endswith("179 bytes in 2 requests.\n")
    text = show(reports.poll + b"imei=1\x1b[2J")
    assert "imei=1\\x1b[2J\n" in text
    assert text.endswith("189 bytes, of which 10 are not in the request table.\n")
    assert show_lines(b"a\r\n\r\nb") == ("a\\r\\n", "\\r\\n", "b")
    assert show_lines(b"a\r\n") == ("a\\r\\n",)


def test_json_of_an_exchange_has_every_byte(reports):
    """The joined fields are the request."""
    for exchange in dissect(reports.poll, None):
        data = exchange_to_dict(exchange)
        assert "".join(field["octets"] for field in data["fields"]) == data["octets"]
        for field in data["fields"]:
            assert data["octets"][field["offset"] :].startswith(field["octets"])


def test_equal_polls_and_requests_are_shown_once(reports):
    """Equal connections are one kind, and one with the same beginning refers to it.

    Unexplained bytes are marked, and their lines are separate.
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
