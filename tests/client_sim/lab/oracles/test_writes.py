"""One request is one write, and a connection ends in order."""

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.writes import (
    find_breaches,
    find_ends,
    is_one_record_each,
    judge_ends,
    judge_writes,
)
from client_sim.lab.trace.observation import RESET, Channel, Departure, Observation
from tests.cases import case

ONE = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
TWO = b"GET /bc HTTP/1.1\r\nHost: h\r\n\r\n"


def observe(*pieces, sizes=None, close=b""):
    """Give a run with one connection that carries the pieces."""
    left = [(Channel.CONNECT, b"198.51.100.1 8080 plain")]
    left += [] if sizes is None else [(Channel.SIZES, sizes)]
    left += [*((Channel.BYTES, piece) for piece in pieces), (Channel.CLOSE, close)]
    departures = tuple(Departure(1.0, "poll 1", channel, 0, data) for channel, data in left)
    return Observation(departures, (), (), (b"",), None)


def test_a_write_that_is_not_one_request_is_found():
    """Where it begins and how long it is; what follows the last request counts as one."""
    for pieces, said in (
        ((ONE, TWO), []),
        ((ONE[:9], ONE[9:], TWO), [(0, 9, "a request is cut: this write ends in the midst")]),
        ((ONE, TWO[:-1], TWO[-1:]), [(len(ONE), len(TWO) - 1, "a request is cut")]),
        ((ONE + TWO,), [(0, len(ONE + TWO), "one write carries more than one request")]),
        ((ONE, b"", TWO), [(len(ONE), 0, "a write without a byte")]),
        (
            (ONE, b"", TWO[:5], TWO[5:]),
            [(len(ONE), 0, "a write without a byte"), (len(ONE), 5, "a request is cut")],
        ),
        ((ONE, TWO + b"x"), [(len(ONE), len(TWO) + 1, "one write carries more than one")]),
        ((ONE, b"x", b"y"), [(len(ONE), 1, "a request is cut")]),
    ):
        with case(pieces, said):
            found = judge_writes(observe(*pieces))
            assert [(each.offset, each.length) for each in found] == [each[:2] for each in said]
            assert all(
                each.explanation.startswith(one[2]) for each, one in zip(found, said, strict=True)
            )
            assert {each.field for each in found} <= {"pieces"}


def test_a_full_piece_may_end_within_a_request():
    """On a network what has no room for the rest; a shorter one had room."""
    assert [*find_breaches((496, 10), (506,), word="segment", full=496)] == []
    (breach,) = find_breaches((495, 11), (506,), word="segment", full=496)
    assert (breach.is_cut, "this segment ends" in breach.explanation) == (True, True)


def test_requests_end_with_their_empty_line():
    """Bytes that are no whole request are one more."""
    assert find_ends(b"") == ()
    assert find_ends(ONE + TWO) == (len(ONE), len(ONE + TWO))
    assert find_ends(ONE + b"x") == (len(ONE), len(ONE) + 1)


def test_each_request_is_in_a_record_of_its_own():
    """Beside the end of a handshake, and of the connection, which have the same type."""
    for sizes, is_good in (
        (b"22:517 20:1 23:53 23:117 23:140", True),
        (b"22:517 20:1 23:53 23:117 23:140 23:19", True),
        (b"22:300 20:1 22:40 23:124 23:147 21:26", True),
        (b"22:517 20:1 23:53 23:67 23:67 23:140", False),
        (b"22:517 20:1 23:53 23:240", False),
        (b"22:517 20:1 23:53 23:117 23:123", False),
        (b"22:517 20:1 23:53 23:117 23:204", False),
        (b"22:517 20:1 23:53 23:117 23:138 23:19", False),
    ):
        with case(sizes, is_good):
            assert is_one_record_each(sizes, (100, 123)) == is_good


def test_two_records_for_one_write_are_a_finding():
    """The write is one, and what the network sees is not."""
    whole = f"22:517 23:53 23:{len(ONE) + 17} 23:{len(TWO) + 17}".encode()
    assert judge_writes(observe(ONE, TWO, sizes=whole)) == ()
    sizes = b"22:517 23:53 23:30 23:30"
    said = "1 requests are not in one record of TLS each"
    assert judge_writes(observe(ONE, sizes=sizes)) == (
        Finding(
            *("connection 1, poll 1", said, sizes, 0, len(sizes)),
            channel=Channel.SIZES.value,
            field="records",
        ),
    )


def test_each_connection_is_judged_by_itself():
    """One that sent nothing has nothing to be written; what others did is found in its place."""
    left = [
        (Channel.CONNECT, 0, b"198.51.100.1 8080 plain"),
        (Channel.CONNECT, 1, b"198.51.100.1 8080 plain"),
        (Channel.BYTES, 1, ONE[:5]),
        (Channel.BYTES, 1, ONE[5:]),
        (Channel.CONNECT, 2, b"198.51.100.1 8080 plain"),
        (Channel.BYTES, 2, ONE),
    ]
    departures = tuple(Departure(1.0, "poll 1", *each) for each in left)
    seen = Observation(departures, (), (), (b"",) * 3, None)
    said = "a request is cut: this write ends in the midst of it"
    assert judge_writes(seen) == (
        Finding(
            *("connection 2, poll 1", said, ONE, 0, 5),
            channel=Channel.BYTES.value,
            field="pieces",
        ),
    )


def test_pieces_and_ends_need_not_be_there():
    """Nothing was sent, or more than was asked for."""
    assert [*find_breaches((), ())] == []
    assert [*find_breaches((10, 5), (10,))] == []


def test_an_end_by_reset_is_found():
    """Whatever was sent before it."""
    assert judge_ends(observe(ONE)) == ()
    said = "the connection ends by a reset, with an answer unread, where an end in order belongs"
    assert judge_ends(observe(ONE, close=RESET)) == (
        Finding(
            *("connection 1, poll 1", said, RESET, 0, len(RESET)),
            channel=Channel.CLOSE.value,
            field="close",
        ),
    )
