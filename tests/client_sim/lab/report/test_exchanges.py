"""What a poll sends, on a console and as JSON."""

import io

from rich.console import Console

from client_sim.lab.programme.dissection import dissect
from client_sim.lab.report.exchanges import exchange_to_dict, render_exchanges, show_lines


def show(data):
    """Print what a connection carried."""
    file = io.StringIO()
    render_exchanges(dissect(data, None), Console(file=file, width=80, color_system=None))
    return file.getvalue()


def test_every_field_has_its_offset_and_reason(reports):
    """The version is the only field of a poll that tells anything."""
    said = show(reports.poll)
    assert "    14  2\n" in said
    assert said.count("Can tell: ") == 1
    assert said.endswith("179 bytes in 2 requests.\n")


def test_bytes_that_nobody_explains_are_counted(reports):
    """A last line without an end is shown, too."""
    said = show(reports.poll + b"imei=1\x1b[2J")
    assert "imei=1\\x1b[2J\n" in said
    assert said.endswith("189 bytes, of which 10 are not in the request table.\n")


def test_lines_keep_their_ends():
    """An empty line is one."""
    assert show_lines(b"a\r\n\r\nb") == ("a\\r\\n", "\\r\\n", "b")
    assert show_lines(b"a\r\n") == ("a\\r\\n",)


def test_json_has_every_byte(reports):
    """Fields put together are the request."""
    for exchange in dissect(reports.poll, None):
        told = exchange_to_dict(exchange)
        assert "".join(field["octets"] for field in told["fields"]) == told["octets"]
        for field in told["fields"]:
            assert told["octets"][field["offset"] :].startswith(field["octets"])
