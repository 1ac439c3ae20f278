"""A place of difference has the name of the field that stands there."""

from client_sim.lab.oracles.places import name_place
from client_sim.lab.trace.observation import Channel
from tests.cases import case

TWO = b"GET /a HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n"
TURNED = b"GET /a HTTP/1.1\r\nB: 2\r\nA: 1\r\n\r\n"
ONE = b"GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n"


def test_the_field_is_named():
    """From the side that still has bytes there."""
    for channel, first, second, offset, name in (
        (Channel.CONNECT, b"192.0.2.1 80 plain", b"192.0.2.2 80 plain", 8, "address"),
        (Channel.CONNECT, b"192.0.2.1 80 plain", b"192.0.2.1 81 plain", 11, "port"),
        (Channel.CONNECT, b"192.0.2.1 80 plain", b"192.0.2.1 80 h", 13, "TLS name"),
        (Channel.CONNECT, b"a 80 a b c", b"a 80 a b d", 9, "TLS name"),
        (Channel.TLS, b"name a\nresumes no", b"name a\nresumes yes", 15, "resumes"),
        (Channel.TLS, b"name a\nresumes no", b"name b\nresumes no", 5, "name"),
        (Channel.TLS, b"", b"name b", 0, "name"),
        (Channel.TLS, b"name a", b"name a\nresumes", 6, "name"),
        (Channel.TLS, b"", b"", 0, ""),
        (Channel.TLS, b"a 1\nb 2\nc 3", b"a 1\nb 2\nc 4", 10, "c"),
        (Channel.DNS, b"a", b"b", 0, "name"),
        (Channel.SIZES, b"1", b"2", 0, "sizes on the wire"),
        (Channel.BYTES, ONE, ONE.replace(b"/a", b"/b"), 5, "request 1, path"),
        (Channel.BYTES, ONE, ONE + ONE, len(ONE), "number of requests"),
        (Channel.BYTES, ONE + ONE, ONE, len(ONE), "number of requests"),
        (Channel.BYTES, b"", b"", 0, "number of requests"),
        (Channel.BYTES, ONE, ONE + b"x", len(ONE), "request 1, body"),
        (Channel.BYTES, ONE[:-4], ONE[:-4] + b"2", len(ONE) - 4, "request 1, header X-A value"),
        (Channel.BYTES, ONE[:2], ONE, 2, "request 1, method"),
        (
            *(Channel.BYTES, ONE, ONE.replace(b"Host: h\r\nX-A: 1", b"X-A: 1\r\nHost: h")),
            *(17, "request 1, header order"),
        ),
        (
            *(Channel.BYTES, ONE, ONE.replace(b"X-A: 1", b"X-A: 2")),
            *(ONE.index(b"1\r\n\r"), "request 1, header X-A value"),
        ),
        (
            *(Channel.BYTES, TWO + ONE, TURNED + ONE.replace(b"X-A", b"X-B")),
            *(17, "request 1, header order"),
        ),
        (
            *(Channel.BYTES, TWO, TWO.replace(b"1\r\nB: 2", b"2\r\nB: 1")),
            *(20, "request 1, header A value"),
        ),
        (
            *(Channel.BYTES, ONE + ONE, ONE + ONE.replace(b"X-A", b"X-B")),
            *(len(ONE) + ONE.index(b"A:"), "request 2, header name"),
        ),
    ):
        with case(channel, first, second, offset, name):
            assert name_place(channel, first, second, offset) == name
