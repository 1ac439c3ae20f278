"""Fields with more values than their budget are found, and values that too few phones share."""

import math
from dataclasses import replace

from client_sim.lab.oracles.cardinality import (
    CROWDS,
    Budget,
    count_fields,
    find_budget,
    judge_cardinality,
    judge_crowds,
)
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Channel, Departure, Observation
from tests.cases import case


def test_budget_of_the_kind_comes_first():
    """The row of the kind of request has priority over that of all requests."""
    for field, of, found in (
        ("path", "request", Budget("path", "request", "1")),
        ("path", "part", Budget("path", "part", "parts")),
        ("method", "package", Budget("method", "request", "1")),
        ("names", "poll", Budget("names", "poll", "1")),
        ("names", "request", Budget("names", "request", "0")),
        ("query", "request", Budget("query", "request", "0")),
        ("header X value", "package", Budget("header X value", "package", "0")),
    ):
        with case(field, of, found):
            assert find_budget(field, of) == found


def test_budget_size_is_a_number_or_an_alphabet():
    """An alphabet without a known size has no limit."""
    assert Budget("a", "b", "7").most({}) == 7
    assert Budget("a", "b", "parts").most({"parts": 4}) == 4
    assert Budget("a", "b", "parts").most({"models": 4}) is None


HEAD = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: h.example\r\nAccept-Encoding: gzip\r\n\r\n"
PACKAGE = b"/targets/armani/id/stable/" + b"a" * 64 + b".f.zip"
ASK = b"GET %s HTTP/1.1\r\nHost: h.example\r\nRange: bytes=0-5\r\n\r\n"


def phone(sent=(HEAD,), target=b"192.0.2.1 443 h.example", tls=b"13", name=b"h.example"):
    """Make a run of one poll on one connection."""
    departures = [
        (Channel.DNS, -1, name),
        (Channel.CONNECT, 0, target),
        (Channel.TLS, 0, tls),
        *((Channel.BYTES, 0, data) for data in sent),
        (Channel.CLOSE, 0, b""),
    ]
    return Observation(
        tuple(Departure(1.0, "poll 1", *departure) for departure in departures),
        *((), (), (b"",), None),
    )


def test_equal_phones_are_clean():
    """Equal phones are within every budget."""
    assert judge_cardinality([phone(), phone(), phone()]) == ()


def test_differing_phone_is_found():
    """The finding has the rarest and the commonest value, and their numbers of phones."""
    for odd, field in (
        (phone(name=b"t.example"), "names"),
        (phone(target=b"192.0.2.9 443 h.example"), "address"),
        (phone(target=b"192.0.2.1 444 h.example"), "port and TLS name"),
        (phone(target=b"192.0.2.1 443 t.example"), "port and TLS name"),
        (phone(tls=b"13 resumed"), "TLS parameters"),
        (phone((HEAD[:9], HEAD[9:])), "pieces"),
        (phone((HEAD.replace(b"GET", b"HEAD"),)), "method"),
        (phone((HEAD.replace(b"timestamp", b"1.targets"),)), "path"),
        (phone((HEAD.replace(b"1.1", b"1.0"),)), "version"),
        (phone((HEAD.replace(b"Host", b"host"),)), "header names"),
        (phone((HEAD.replace(b"gzip", b"gzip, br"),)), "header Accept-Encoding value"),
    ):
        with case(odd, field):
            found = {f.field: f for f in judge_cardinality([phone(), phone(), odd])}
            finding = found[field]
            assert "2 values among 3 phones" in finding.explanation
            assert (finding.offset, finding.length) == (0, len(finding.data))
            others = {
                "names": "dns question",
                "address": "connect target",
                "port and TLS name": "connect target",
                "TLS parameters": "tls parameters",
            }
            assert finding.channel == others.get(field, "octets")
            assert f"{finding.data!r} in 1" in finding.explanation
            assert f"{finding.other!r} in 2" in finding.explanation


def test_field_without_a_budget_is_found():
    """It is found even if all phones send the same value."""
    for more, field in (
        (HEAD.replace(b" HTTP", b"?a=1 HTTP"), "query"),
        (HEAD + b"body", "body"),
        (HEAD.replace(b"\r\n\r\n", b"\r\nX-Y: 1\r\n\r\n"), "header X-Y value"),
    ):
        with case(more, field):
            found = {f.field: f for f in judge_cardinality([phone((more,))] * 3)}
            assert "but the budget is 0" in found[field].explanation


def test_sizes_of_alphabets():
    """The number of parts is 1 by default; the number of packages has no default."""
    part = b"GET /metadata/3.latest-%s.json HTTP/1.1\r\nHost: h.example\r\n\r\n"
    split = [phone((part % digit,)) for digit in (b"0", b"4", b"8")]
    assert {f.field for f in judge_cardinality(split)} == {"path"}
    assert judge_cardinality(split, {"parts": 3}) == ()
    other = ASK % PACKAGE.replace(b"armani", b"cancro")
    fleet = [phone((HEAD, ASK % PACKAGE)), phone((HEAD, other)), phone()]
    assert judge_cardinality(fleet) == ()
    (found,) = judge_cardinality(fleet, {"packages": 1})
    assert (found.field, found.where) == ("path", "poll 1, package")


def test_headers_of_an_installation_are_compared():
    """Installing phones are compared with each other, not with phones that do not install."""
    odd = (ASK % PACKAGE).replace(b"\r\n\r\n", b"\r\nX-Y: 1\r\n\r\n")
    fleet = [phone((HEAD, ASK % PACKAGE)), phone((HEAD, odd)), phone()]
    fields = {f.field for f in judge_cardinality(fleet)}
    assert fields == {"header names", "header X-Y value"}


def test_entropy_and_smallest_crowd():
    """If three phones of four share a value, H is 2 - 3/4 log2(3) and k is 1."""
    odd = phone((HEAD.replace(b"gzip", b"br"),))
    counts = count_fields([phone(), phone(), phone(), odd])
    (count,) = [c for c in counts if c.field == "header Accept-Encoding value"]
    assert (count.phones, count.least) == (4, 1)
    assert math.isclose(count.entropy, 2 - 0.75 * math.log2(3))
    (joint,) = [c for c in counts if c.field == "all"]
    assert list(joint.values.values()) == [3, 1]
    (method,) = [c for c in counts if c.field == "method"]
    assert (method.entropy, method.least) == (0.0, 4)


def test_polls_are_counted_separately():
    """A change from one poll to the next in all phones is clean."""
    first = Departure(1.0, "poll 1", Channel.DNS, -1, b"a.example")
    second = Departure(1.0, "poll 2", Channel.DNS, -1, b"b.example")
    fleet = [Observation((first, second), (), (), (), None)] * 2
    assert judge_cardinality(fleet) == ()


def test_exact_finding():
    """The explanation lists both values with their crowds."""
    odd = phone(target=b"192.0.2.1 444 h.example")
    assert judge_cardinality([phone(), phone(), odd]) == (
        Finding(
            "poll 1, connection 1",
            "port and TLS name has 2 values among 3 phones in the same public trust state, but the "
            "budget is 1: b'443 h.example' in 2, b'444 h.example' in 1",
            *(b"444 h.example", 0, 13, b"443 h.example", "connect target", "port and TLS name"),
        ),
    )


def test_finding_names_five_values():
    """The rarest five values are named."""
    fleet = [phone(name=b"%d.example" % number) for number in (1, 1, *range(1, 8))]
    (found,) = [f for f in judge_cardinality(fleet) if f.field == "names"]
    assert "7 values among 9 phones" in found.explanation
    assert found.explanation.count(" in 1") == 5
    assert found.other == b"1.example"


def test_phones_in_different_trust_states_are_not_compared():
    """A phone that learned of a newer snapshot sends other requests."""
    body = b'{"signed":{"meta":{"snapshot.json":{"version":  7   }}}}'
    informed = replace(
        phone((HEAD, HEAD.replace(b"timestamp", b"7.snapshot"))),
        received=(b"HTTP/1.1 200 OK\r\nContent-Length: 56\r\n\r\n" + body,),
    )
    assert judge_cardinality([phone(), informed]) == ()


def test_joint_value_of_a_poll():
    """The joint value leaves out installations and pictures."""
    picture = ASK % (b"/targets/content/wallpapers/" + b"a" * 64 + b".dawn.jpg")
    role = b"GET /metadata/3.armani.json HTTP/1.1\r\nHost: h.example\r\n\r\n"
    joint = [
        (c.poll, c.place, c.of, dict(c.values))
        for seen in (phone(), *(phone((HEAD, more)) for more in (ASK % PACKAGE, role, picture)))
        for c in count_fields([seen])
        if c.field == "all"
    ]
    values = [
        *(b"h.example", b"1", b"192.0.2.1", b"443 h.example", b"13"),
        *(
            b"%d" % len(HEAD),
            b"1 with the poll",
            b"1",
            b"Host, Accept-Encoding",
            b"GET",
            b"/metadata/timestamp.json",
        ),
        *(b"HTTP/1.1", b"h.example", b"gzip"),
    ]
    assert joint[0] == (1, "", "poll", {b"\n".join(values): 1})
    without_pieces = b"\n".join(values[:5] + values[6:])
    assert [each[3] for each in joint[1:]] == [{without_pieces: 1}] * 3


def test_repeated_values_of_a_phone_are_one_value():
    """Different blocks are joined in order, and equal ones count once."""
    second = ASK.replace(b"0-5", b"6-9") % PACKAGE
    counts = count_fields([phone((HEAD, ASK % PACKAGE, second, second))])
    (blocks,) = [c for c in counts if c.field == "header Range value"]
    assert blocks.values == {b"bytes=0-5\nbytes=6-9": 1}


def test_closing_differently_is_found():
    """A connection that stays open, is closed later or twice is found."""
    left = phone().departures
    kept = replace(phone(), departures=left[:-1])
    late = replace(phone(), departures=(*left[:-1], replace(left[-1], phase="poll 2")))
    twice = replace(phone(), departures=(*left, left[-1]))
    for odd, value in ((kept, b"0 with the poll"), (late, b"1 later"), (twice, b"2 with the poll")):
        found = {f.field: f for f in judge_cardinality([phone(), phone(), odd])}
        assert found["close"].data == value


ROLE = "/metadata/3.armani.json"
OWN = f"/targets/armani/id/stable/{'a' * 64}.f.zip"
OTHER = f"/targets/armani/id/stable/{'b' * 64}.f.zip"
TIMESTAMP = "/metadata/timestamp.json"


def run_of(*paths):
    """Make a run of one poll that sends these requests on one connection."""
    lines = [
        f"GET {path} HTTP/1.1\r\nHost: h.example\r\n"
        f"{'Range: bytes=0-5' if path.startswith('/targets') else 'Accept-Encoding: gzip'}\r\n\r\n"
        for path in paths
    ]
    departures = [Departure(1.0, "poll 1", Channel.CONNECT, 0, b"192.0.2.1 80 ")]
    departures += [Departure(1.0, "poll 1", Channel.BYTES, 0, line.encode()) for line in lines]
    return Observation(tuple(departures), (), (), (b"",), None)


def test_crowd_of_four_is_enough():
    """Phones that install something else or nothing make no difference."""
    fleet = [run_of(TIMESTAMP, ROLE, OWN)] * 4 + [run_of(OTHER)] * 4 + [run_of(TIMESTAMP)]
    assert judge_crowds(fleet) == ()


def test_crowd_of_three_is_too_small():
    """The finding names the field, its value and its number of phones."""
    for path, of in ((OWN, "package"), (ROLE, "codename")):
        with case(path, of):
            assert CROWDS[of] == 4
            findings = judge_crowds([run_of(path)] * 3)
            (found,) = (finding for finding in findings if finding.field == "path")
            assert found.data == path.encode()
            assert (found.offset, found.length, found.channel) == (0, len(path), "octets")
            assert found.where == f"poll 1, {of}"
            assert found.explanation == (
                f"path {path.encode()!r} is shown by 3 of 3 phones, but 4 or more must share it"
            )


def test_finding_names_the_rarest_value():
    """A single phone next to a large crowd is found."""
    findings = judge_crowds([*[run_of(OWN)] * 9, run_of(OTHER)])
    assert [finding.data for finding in findings] == [OTHER.encode()]


def test_requests_of_every_phone_need_no_crowd():
    """Only requests of an installation need a crowd; budgets limit the others."""
    assert judge_crowds([run_of(TIMESTAMP)]) == ()


def test_other_crowd_sizes():
    """Only the named kinds are judged."""
    assert judge_crowds([run_of(ROLE, OWN)], {"package": 1}) == ()
    assert judge_crowds([run_of(ROLE, OWN)] * 2, {"package": 3}) != ()
