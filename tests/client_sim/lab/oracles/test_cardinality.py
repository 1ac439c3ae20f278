"""A field that takes more values over a fleet than its budget allows is found and counted.

So is a value of an installation's fields that too few phones share.
"""

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


def test_the_row_of_the_kind_comes_first():
    """Before that of any request."""
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


def test_a_size_is_a_number_or_an_alphabet():
    """Of which somebody may say how large it is."""
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


def test_equal_phones_are_one_crowd():
    """Nothing is found where all show the same."""
    assert judge_cardinality([phone(), phone(), phone()]) == ()


def test_one_odd_phone_is_named():
    """The rarest value, the commonest, and how many phones show each."""
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


def test_what_has_no_row_may_not_be_there():
    """Even where all phones agree."""
    for more, field in (
        (HEAD.replace(b" HTTP", b"?a=1 HTTP"), "query"),
        (HEAD + b"body", "body"),
        (HEAD.replace(b"\r\n\r\n", b"\r\nX-Y: 1\r\n\r\n"), "header X-Y value"),
    ):
        with case(more, field):
            found = {f.field: f for f in judge_cardinality([phone((more,))] * 3)}
            assert "where 0 may be" in found[field].explanation


def test_named_alphabets_have_the_size_that_is_said():
    """Parts are one unless the operator splits; how many packages there are is for him to say."""
    part = b"GET /metadata/3.latest-%s.json HTTP/1.1\r\nHost: h.example\r\n\r\n"
    split = [phone((part % digit,)) for digit in (b"0", b"4", b"8")]
    assert {f.field for f in judge_cardinality(split)} == {"path"}
    assert judge_cardinality(split, {"parts": 3}) == ()
    other = ASK % PACKAGE.replace(b"armani", b"cancro")
    fleet = [phone((HEAD, ASK % PACKAGE)), phone((HEAD, other)), phone()]
    assert judge_cardinality(fleet) == ()
    (found,) = judge_cardinality(fleet, {"packages": 1})
    assert (found.field, found.where) == ("path", "poll 1, package")


def test_requests_of_an_installation_have_rules_of_their_own():
    """The same headers for all who install, whoever else does not."""
    odd = (ASK % PACKAGE).replace(b"\r\n\r\n", b"\r\nX-Y: 1\r\n\r\n")
    fleet = [phone((HEAD, ASK % PACKAGE)), phone((HEAD, odd)), phone()]
    fields = {f.field for f in judge_cardinality(fleet)}
    assert fields == {"header names", "header X-Y value"}


def test_entropy_and_the_least_crowd_are_counted():
    """Three phones of four share a value: H is 2 - 3/4 log2(3), k is 1."""
    odd = phone((HEAD.replace(b"gzip", b"br"),))
    counts = count_fields([phone(), phone(), phone(), odd])
    (count,) = [c for c in counts if c.field == "header Accept-Encoding value"]
    assert (count.phones, count.least) == (4, 1)
    assert math.isclose(count.entropy, 2 - 0.75 * math.log2(3))
    (joint,) = [c for c in counts if c.field == "all"]
    assert list(joint.values.values()) == [3, 1]
    (method,) = [c for c in counts if c.field == "method"]
    assert (method.entropy, method.least) == (0.0, 4)


def test_polls_are_counted_one_by_one():
    """What all phones change from one poll to the next is no difference between phones."""
    first = Departure(1.0, "poll 1", Channel.DNS, -1, b"a.example")
    second = Departure(1.0, "poll 2", Channel.DNS, -1, b"b.example")
    fleet = [Observation((first, second), (), (), (), None)] * 2
    assert judge_cardinality(fleet) == ()


def test_a_finding_is_one_sentence_with_both_values():
    """Word for word."""
    odd = phone(target=b"192.0.2.1 444 h.example")
    assert judge_cardinality([phone(), phone(), odd]) == (
        Finding(
            "poll 1, connection 1",
            "port and TLS name has 2 values among 3 phones in the same public trust state, where 1 "
            "may be: b'443 h.example' in 2, b'444 h.example' in 1",
            *(b"444 h.example", 0, 13, b"443 h.example", "connect target", "port and TLS name"),
        ),
    )


def test_no_more_than_five_values_are_named():
    """The rarest ones."""
    fleet = [phone(name=b"%d.example" % number) for number in (1, 1, *range(1, 8))]
    (found,) = [f for f in judge_cardinality(fleet) if f.field == "names"]
    assert "7 values among 9 phones" in found.explanation
    assert found.explanation.count(" in 1") == 5
    assert found.other == b"1.example"


def test_phones_in_other_states_are_not_compared():
    """Whoever was told of a newer snapshot asks otherwise."""
    body = b'{"signed":{"meta":{"snapshot.json":{"version":  7   }}}}'
    told = replace(
        phone((HEAD, HEAD.replace(b"timestamp", b"7.snapshot"))),
        received=(b"HTTP/1.1 200 OK\r\nContent-Length: 56\r\n\r\n" + body,),
    )
    assert judge_cardinality([phone(), told]) == ()


def test_the_joint_value_is_that_of_the_poll():
    """Without what is asked for an installation, and without a picture."""
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


def test_values_that_one_phone_repeats_are_one_value():
    """Blocks of a package in their order; the same twice is the same."""
    second = ASK.replace(b"0-5", b"6-9") % PACKAGE
    counts = count_fields([phone((HEAD, ASK % PACKAGE, second, second))])
    (blocks,) = [c for c in counts if c.field == "header Range value"]
    assert blocks.values == {b"bytes=0-5\nbytes=6-9": 1}


def test_who_does_not_close_is_another():
    """Or who closes in a later poll, or twice."""
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


def installing(*paths):
    """Make a run of one poll, with these requests on one connection."""
    lines = [
        f"GET {path} HTTP/1.1\r\nHost: h.example\r\n"
        f"{'Range: bytes=0-5' if path.startswith('/targets') else 'Accept-Encoding: gzip'}\r\n\r\n"
        for path in paths
    ]
    departures = [Departure(1.0, "poll 1", Channel.CONNECT, 0, b"192.0.2.1 80 ")]
    departures += [Departure(1.0, "poll 1", Channel.BYTES, 0, line.encode()) for line in lines]
    return Observation(tuple(departures), (), (), (b"",), None)


def test_four_of_a_kind_are_enough():
    """Also where others of the fleet install something else, or nothing."""
    fleet = (
        [installing(TIMESTAMP, ROLE, OWN)] * 4 + [installing(OTHER)] * 4 + [installing(TIMESTAMP)]
    )
    assert judge_crowds(fleet) == ()


def test_three_are_too_few():
    """The finding names the field, its value, and how many show it."""
    for path, of in ((OWN, "package"), (ROLE, "codename")):
        with case(path, of):
            assert CROWDS[of] == 4
            findings = judge_crowds([installing(path)] * 3)
            (found,) = (finding for finding in findings if finding.field == "path")
            assert found.data == path.encode()
            assert (found.offset, found.length, found.channel) == (0, len(path), "octets")
            assert found.where == f"poll 1, {of}"
            assert found.explanation == (
                f"path {path.encode()!r} is shown by 3 of 3 phones, where 4 or more must share it"
            )


def test_the_rarest_value_is_named():
    """Beside a crowd one phone stands alone."""
    findings = judge_crowds([*[installing(OWN)] * 9, installing(OTHER)])
    assert [finding.data for finding in findings] == [OTHER.encode()]


def test_what_every_phone_asks_needs_no_crowd():
    """A poll tells neither model nor build; how it may differ is the budget's."""
    assert judge_crowds([installing(TIMESTAMP)]) == ()


def test_another_crowd_may_be_asked_for():
    """Only of what is named."""
    assert judge_crowds([installing(ROLE, OWN)], {"package": 1}) == ()
    assert judge_crowds([installing(ROLE, OWN)] * 2, {"package": 3}) != ()
