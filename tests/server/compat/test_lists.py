"""The usual requests of apps are recognised without a parser, and no others."""

from server.compat.lists import AppRequests, common_header_blocks
from server.compat.pages import make_page

PAGE = make_page("text/plain", b"a line")
LINE = b"GET /graphene/FP4-nightly HTTP/1.1"
AGENT = b"User-Agent: Dalvik/2.1.0 (Linux; U; Android 16; FP4 Build/BP4A)\r\n"
HOST, CONNECTION = b"Host: u.example\r\n", b"Connection: Keep-Alive\r\n"
GZIP, END = b"Accept-Encoding: gzip\r\n", b"\r\n"
START = LINE + END
FOUND = AppRequests({LINE: PAGE}, common_header_blocks("https://u.example:443"))


KTOR = b"Accept: application/json\r\nAccept-Charset: UTF-8\r\nUser-Agent: ktor-client\r\n"


def test_requests_of_apps_are_recognised():
    """An app's request is recognised wherever its User-Agent is."""
    for lines in (
        AGENT + HOST + CONNECTION + GZIP,
        HOST + AGENT + CONNECTION + GZIP,
        HOST + CONNECTION + GZIP + AGENT,
        HOST + CONNECTION + GZIP,
        KTOR + HOST + CONNECTION + GZIP,
        AGENT + b"Accept-Encoding: identity\r\n" + HOST + CONNECTION,
    ):
        assert FOUND.get(START + lines + END) == (200, PAGE.data), lines


GOOD = START + HOST + AGENT + CONNECTION + GZIP + END


def test_other_requests_go_to_the_parser():
    """Any other request goes to the parser, even with one byte missing."""
    for data in (
        GOOD[:-2],  # incomplete
        GOOD + GOOD,  # two of them
        GOOD.replace(b"FP4-nightly", b"FP5-nightly"),
        GOOD.replace(b"u.example", b"v.example"),
        GOOD.replace(b"Dalvik", b"Dal\0vik"),
        GOOD.replace(b"Dalvik", b"Dal\nvik"),
        GOOD.replace(b"Dalvik", b"Dal\rvik"),
        GOOD.replace(b"Dalvik", b"Dal\xe9vik"),
        GOOD.replace(b"Dalvik", b"D" * 2048),
        GOOD.replace(AGENT, AGENT + AGENT),
        GOOD.replace(AGENT, b"Cookie: a=b\r\n"),
        GOOD.replace(AGENT, AGENT + b"Cookie: a=b\r\n"),
        START + b"Host: u.exa" + AGENT + b"mple\r\n" + CONNECTION + GZIP + END,  # within a line
        b"HEAD" + GOOD[3:],
        b"POST" + GOOD[3:],
        b"\r\n" + GOOD,
        b"",
        AGENT,
    ):
        assert FOUND.get(data) is None, data
