"""Every difference between two traces is found, with its field and place."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.equality import Difference, find_differences, judge_equality, name_place
from client_sim.lab.trace.observation import Channel, Departure, Observation
from tests.cases import case


def observe(*departures):
    """Make an observation of departures given as (at, channel, connection, bytes)."""
    connections = {connection for _, _, connection, _ in departures if connection >= 0}
    return Observation(
        departures=tuple(
            Departure(at, "poll 1", channel, connection, data)
            for at, channel, connection, data in departures
        ),
        draws=(),
        reads=(),
        received=(b"",) * len(connections),
        far_end=None,
    )


BASE = (
    (1.0, Channel.DNS, -1, b"a.example"),
    (1.0, Channel.CONNECT, 0, b"192.0.2.1 80 plain"),
    (1.0, Channel.BYTES, 0, b"abcdef"),
    (1.0, Channel.CLOSE, 0, b""),
    (1.0, Channel.SCHEDULE, -1, b"20000.0"),
)


BASE_SEEN = observe(*BASE)


def changed(place, **new):
    """Change one departure of the base."""
    at, channel, connection, data = BASE[place]
    values = {"at": at, "channel": channel, "connection": connection, "data": data} | new
    return (*BASE[:place], tuple(values.values()), *BASE[place + 1 :])


def test_equal_traces_have_no_difference():
    """Equal departures have no difference."""
    assert find_differences(observe(*BASE), observe(*BASE), with_time=True) == ()


def test_difference_has_channel_offset_and_both_sides():
    """Bytes are compared with and without time."""
    for other, channel, offset, first, second in (
        (changed(0, data=b"a.exbmple"), "dns question", 4, b"a.example", b"a.exbmple"),
        (
            changed(1, data=b"192.0.2.1 81 plain"),
            *("connect target", 11, b"192.0.2.1 80 plain", b"192.0.2.1 81 plain"),
        ),
        (changed(2, data=b"abcdeF"), "octets", 5, b"abcdef", b"abcdeF"),
        (changed(2, data=b"abcdefg"), "octets", 6, b"abcdef", b"abcdefg"),
    ):
        with case(other, channel, offset, first, second):
            for with_time in (True, False):
                (found,) = find_differences(observe(*BASE), observe(*other), with_time=with_time)
                assert (found.channel, found.offset) == (channel, offset)
                assert (found.first, found.second) == (first, second)


def test_times_are_compared_only_with_time():
    """Two phones of the fleet poll at different times; two owners of one phone do not."""
    for other in (changed(2, at=1.5), changed(4, data=b"20001.0"), changed(4, at=2.0)):
        with case(other):
            assert find_differences(observe(*BASE), observe(*other), with_time=False) == ()
            (found,) = find_differences(observe(*BASE), observe(*other), with_time=True)
            assert found.first != found.second


def test_pieces_closes_and_order_are_compared():
    """The same bytes in other pieces, without a close or in another order differ."""
    for other in (
        (*BASE[:2], (1.0, Channel.BYTES, 0, b"abc"), (1.0, Channel.BYTES, 0, b"def"), *BASE[3:]),
        (*BASE[:3], *BASE[4:]),
        (*BASE, BASE[3]),
        (*BASE[:2], BASE[3], BASE[2], BASE[4]),
    ):
        with case(other):
            for one, two in ((BASE, other), (other, BASE)):
                (found,) = find_differences(observe(*one), observe(*two), with_time=False)
                assert found.first != found.second
                assert found.channel in {"octets", "close", "next poll"}


def test_exact_difference_of_an_extra_event():
    """The side without the event is empty."""
    more = observe(*BASE, (2.5, Channel.CLOSE, 0, b""))
    text = b"2.5 poll 1 close "
    for one, other, first, second in ((more, BASE_SEEN, text, b""), (BASE_SEEN, more, b"", text)):
        assert find_differences(one, other, with_time=True) == (
            Difference("close", "poll 1", 0, first, second, "number of events"),
        )


def test_exact_difference_of_a_due_time():
    """Both sides are shown with time, phase and channel."""
    assert find_differences(BASE_SEEN, observe(*changed(4, data=b"20001.0")), with_time=True) == (
        Difference(
            "next poll",
            *("poll 1", 25, b"1.0 poll 1 next poll 20000.0", b"1.0 poll 1 next poll 20001.0"),
            "due time",
        ),
    )


def test_difference_of_a_close_has_a_field():
    """Closes with different data differ in their name."""
    (found,) = find_differences(BASE_SEEN, observe(*changed(3, data=b"reset")), with_time=False)
    assert (found.channel, found.field) == ("close", "name")


def test_missing_connection_is_a_difference():
    """The side that has the connection shows its bytes."""
    found = find_differences(observe(*BASE), observe(BASE[0]), with_time=False)
    assert {(d.channel, d.first, d.second) for d in found} == {
        ("connect target", b"192.0.2.1 80 plain", b""),
        ("octets", b"abcdef", b""),
    }


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_offset_is_that_of_the_first_difference(first, second):
    """Both sides are equal before the offset and differ at it."""
    found = find_differences(
        observe(*changed(2, data=first)), observe(*changed(2, data=second)), with_time=True
    )
    assert bool(found) == (first != second)
    for difference in found:
        offset = difference.offset
        assert first[:offset] == second[:offset]
        assert first[offset : offset + 1] != second[offset : offset + 1]


def test_difference_without_time_shows_time_0():
    """Without time, departures are shown at 0.0."""
    pieces = (*BASE[:2], (1.0, Channel.BYTES, 0, b"ab"), (1.0, Channel.BYTES, 0, b"cdef"))
    (found,) = find_differences(BASE_SEEN, observe(*pieces, *BASE[3:]), with_time=False)
    head = f"0.0 poll 1 {Channel.BYTES.value} ".encode()
    assert (found.first, found.second, found.field) == (head + b"abcdef", head + b"ab", "pieces")


def test_exact_finding():
    """The finding names the run, and marks at most 32 bytes."""
    first, second = b"a" * 20, b"a" * 10 + b"b" * 90
    one, other = observe(*changed(2, data=first)), observe(*changed(2, data=second))
    (found,) = judge_equality(one, other, "owner 2", with_time=True)
    assert found.where == "octets, connection 1, poll 1"
    assert found.explanation.startswith("owner 2 differs from byte 10 on, in request")
    assert (found.data, found.other) == (first, second)
    assert (found.offset, found.length, found.channel) == (10, 32, "octets")
    assert found.explanation.endswith(f", in {found.field}")
    assert judge_equality(one, one, "owner 2", with_time=True) == ()


def test_time_is_a_finding_only_with_time():
    """Two runs with the same randomness must poll at the same second."""
    later = observe(*changed(4, at=2.0))
    (found,) = judge_equality(BASE_SEEN, later, "owner 2", with_time=True)
    assert found.field == "time"
    assert judge_equality(BASE_SEEN, later, "owner 2", with_time=False) == ()


def test_exact_differences_of_connections():
    """Each channel of an additional connection is a difference."""
    second = [
        (1.0, Channel.DNS, -1, b"b.example"),
        (1.0, Channel.CONNECT, 1, b"192.0.2.2 443 b.example"),
        (1.0, Channel.TLS, 1, b"name b.example"),
        (1.0, Channel.TLS, 1, b"resumes no"),
        (1.0, Channel.BYTES, 1, b"ghi"),
    ]
    target, tls = b"192.0.2.2 443 b.example", b"name b.example\nresumes no"
    names = (b"a.example", b"a.example\nb.example")
    more = observe(*BASE, *second)
    for one, other, turn in ((BASE_SEEN, more, 1), (more, BASE_SEEN, -1)):
        assert find_differences(one, other, with_time=False) == (
            Difference("dns question", "all names", 9, *names[::turn], "name"),
            Difference(
                *("connect target", "connection 2, poll 1", 0, *(b"", target)[::turn], "address"),
            ),
            Difference(
                *("tls parameters", "connection 2, poll 1", 0, *(b"", tls)[::turn], "name"),
            ),
            Difference(
                *("octets", "connection 2, poll 1", 0, *(b"", b"ghi")[::turn]),
                "number of requests",
            ),
        )


def test_finding_ends_with_the_data():
    """A difference in the last byte is one byte long."""
    one, other = observe(*changed(2, data=b"abcdef")), observe(*changed(2, data=b"abcdeF"))
    (found,) = judge_equality(one, other, "run 2", with_time=True)
    assert (found.offset, found.length) == (5, 1)
    (found,) = judge_equality(one, observe(*changed(2, data=b"abcdefg")), "x", with_time=True)
    assert (found.offset, found.length) == (6, 1)


def test_phases_and_connections_are_compared_without_time():
    """Another phase, or the close of another connection, is a difference."""
    moved = replace(
        BASE_SEEN,
        departures=(replace(BASE_SEEN.departures[0], phase="start"), *BASE_SEEN.departures[1:]),
    )
    (found,) = find_differences(BASE_SEEN, moved, with_time=False)
    assert found.field == "order of events"
    second = (1.0, Channel.CONNECT, 1, b"192.0.2.1 80 plain")
    one = observe(*BASE, second, BASE[3])
    other = observe(*BASE, second, (1.0, Channel.CLOSE, 1, b""))
    (found,) = find_differences(one, other, with_time=False)
    assert found.channel == "close"


TWO = b"GET /a HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n"
TURNED = b"GET /a HTTP/1.1\r\nB: 2\r\nA: 1\r\n\r\n"
ONE = b"GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n"


def test_field_at_an_offset():
    """The field is taken from the side that has more bytes."""
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
