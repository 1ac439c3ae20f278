"""Comparison of a server's answers, and judges of what it stores."""

from client_sim.lab.server_side.canaries import count_ports, is_significant
from client_sim.lab.server_side.equal_answers import (
    Reply,
    judge_equality,
    judge_headers,
    judge_pairs,
)
from client_sim.lab.server_side.exchange import is_whole
from client_sim.lab.server_side.search import judge_growth
from tests.cases import case

HEAD = b"HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 4\r\n\r\n"
MONDAY, TUESDAY = HEAD % b"Mon", HEAD % b"Tue"


def test_answers_to_a_question_may_differ_only_in_their_date():
    """A finding names the first byte that differs."""
    replies = [Reply("a", "one", MONDAY + b"body"), Reply("a", "two", TUESDAY + b"body")]
    assert list(judge_equality(replies)) == []
    replies.append(Reply("b", "two", TUESDAY + b"else"))  # another question
    assert list(judge_equality(replies)) == []
    replies.append(Reply("a", "three", MONDAY + b"bedY"))
    (finding,) = judge_equality(replies)
    # The head without the date's value has 17 + 9 + 19 + 2 bytes; then `b`.
    assert "from byte 48 on: 48: 65 and 6f, 50: 59 and 79" in finding.explanation
    assert finding.explanation.startswith("three and one were")
    assert finding.offending() == b"e"


def test_answers_of_two_servers_are_compared_in_pairs():
    """A `Date` in a body counts, as does a missing answer and what one answer has more."""
    bodies = (b"x\r\n\r\na\r\nDate: 1", b"x\r\n\r\na\r\nDate: 2")
    assert len(list(judge_pairs({"a": bodies[0]}, {"a": bodies[1]}, ("here", "there")))) == 1
    (finding,) = judge_pairs({"a": b"abc"}, {"a": b"abcd"}, ("here", "there"))
    assert finding.explanation.endswith("from byte 3 on; 3 bytes and 4")
    (finding,) = judge_pairs({"a": b"abc"}, {}, ("here", "there"))
    assert finding.other == b""


def test_headers_that_clients_send_back_are_found():
    """In any case, once for all answers, and not in a body."""
    answer = b"HTTP/1.1 200 OK\r\nset-COOKIE: a\r\nETag: b\r\n\r\nLocation: c\r\n"
    (finding,) = judge_headers([Reply("a", "one", answer)] * 2)
    assert finding.offending() == b"set-COOKIE: a"


def test_end_of_answers():
    """By RFC 9112 section 6.3; interim answers do not count, other protocols are not awaited."""
    for data, heads, whole in (
        (b"", (False,), False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", (False,), False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", (False,), True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", (True,), True),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", (False,), True),
        (b"HTTP/1.1 100 Continue\r\n\r\n", (False,), False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 a\r\n\r\n", (False,), True),
        (b"HTTP/1.1 204 a\r\n\r\n" * 2, (False,) * 3, False),
        (b"HTTP/1.1 204 a\r\n\r\n" * 3, (False,) * 3, True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            (False,),
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", (False,), False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (False,), True),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it closes", (False,), False),
        (b"\0\0\x12\x04", (False,), True),
    ):
        with case(data, heads, whole):
            assert is_whole(data, heads) is whole


def test_growth_with_requests():
    """Files that grow by four bytes for each request, and by more than twice their own growth."""
    before = {"log": 100, "ring": 4096, "own": 0}
    after = {"log": 100 + 4 * 50, "ring": 4096, "own": 1000, "new": 199}
    idle = {**after, "own": 2000}
    assert [finding.where for finding in judge_growth(before, after, idle, 50)] == ["log"]
    assert list(judge_growth(before, {**after, "log": 299}, idle, 50)) == []
    many = {f"{number:03}": 0 for number in range(25)}
    (finding,) = judge_growth({}, many, many, 50)
    assert finding.explanation.startswith("and 24 other files appeared")


def test_stored_ports_are_found():
    """Only whole numbers count, and not if other ports are as frequent."""
    ports = frozenset(range(40_000, 40_040, 2))
    text = "".join(f"from {port};" for port in ports).encode()
    assert count_ports(text, ports) == (20, 0)
    assert count_ports(text.replace(b";", b"1;"), ports) == (0, 0)
    assert is_significant(20, 0)
    assert not is_significant(11, 0)
    numbers = b" ".join(b"%d" % number for number in range(1024, 65536))
    assert count_ports(numbers, ports) == (20, 20)
    assert not is_significant(20, 20)
