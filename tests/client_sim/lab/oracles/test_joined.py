"""A value that is split over fields, requests or names is whole in one of the texts."""

from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.joined import join_fields
from client_sim.lab.oracles.judging import judge_canaries
from client_sim.lab.trace.observation import Channel, Departure, Observation
from tests.cases import case

IMEI = b"001017204862139"
SEARCH = CanarySearch({"imei": (IMEI,)}, layers=1)


def observe(*connections, names=()):
    """Make a run with these bytes on its connections, and these questions."""
    departures = [Departure(1.0, "poll 1", Channel.DNS, -1, name) for name in names]
    for index, data in enumerate(connections):
        departures.append(Departure(1.0, "poll 1", Channel.CONNECT, index, b"a 80 plain"))
        departures.append(Departure(1.0, "poll 1", Channel.BYTES, index, data))
    return Observation(tuple(departures), (), (), (b"",) * len(connections), None)


def get(target=b"/a", *lines):
    """Write a request."""
    return b"GET " + b"\r\n".join((target + b" HTTP/1.1", b"Host: h.example", *lines, b"", b""))


def test_both_halves_are_found_together():
    """In headers, requests, connections, parameters, bodies, labels."""
    for seen in (
        observe(get(b"/a", b"X-A: " + IMEI[:7], b"X-B: " + IMEI[7:])),
        observe(get(b"/a", b"X-A: " + IMEI[7:], b"X-B: " + IMEI[:7])),
        observe(get(b"/a", b"X-A: " + IMEI[:7]) + get(b"/a", b"X-A: " + IMEI[7:])),
        observe(get(b"/a", b"X-A: " + IMEI[:7]), get(b"/a", b"X-A: " + IMEI[7:])),
        observe(*(get(b"/a", b"X-A: v%c.x" % digit) for digit in IMEI)),
        observe(*(get(b"/metadata/%c.root.json" % digit) + get() for digit in IMEI)),
        observe(get(b"/a?b=" + IMEI[:7] + b"&c=" + IMEI[7:])),
        observe(get(b"/a?b=" + IMEI[:7]), get(b"/a?" + IMEI[7:])),
        observe(get() + IMEI[:7], get() + IMEI[7:]),
        observe(names=(IMEI[:7] + b"." + IMEI[7:] + b".example",)),
        observe(names=(IMEI[:7] + b".example", IMEI[7:] + b".example")),
    ):
        with case(seen):
            found = judge_canaries(seen, SEARCH)
            assert found
            assert all(finding.offending() == IMEI for finding in found)
            assert all(
                "imei as it is" in finding.explanation and finding.field for finding in found
            )


def test_what_is_whole_is_found_where_it_stands():
    """No text is put together then."""
    (found,) = judge_canaries(observe(get(b"/a", b"X-A: " + IMEI)), SEARCH)
    assert (found.where, found.channel, found.field) == (
        *("connection 1, poll 1", "octets", "request 1, header X-A value"),
    )
    (found,) = judge_canaries(observe(names=(IMEI + b".example",)), SEARCH)
    assert (found.where, found.field) == ("dns question, poll 1", "dns question")


def test_equal_polls_have_nothing_to_join():
    """What all requests share is cut off, and what repeats is said once."""
    texts = dict(join_fields(observe(get(), get(), names=(b"h.example",) * 2)))
    assert texts == {
        "all headers of connection 1": b"h.example",
        "labels of names": b"hexample",
        "first labels of names": b"hh",
    }
    assert judge_canaries(observe(get(), get()), SEARCH) == ()


def test_each_text_says_where_its_pieces_stand():
    """Worked out by hand: what was put together before is not said again."""
    query = b"/a?c&b=12=3"
    seen = observe(
        get(query, b"X-A: 1") + get(query, b"X-A: 123"),
        get(b"/a", b"X-A: 1"),
        names=(b"a.b", b"cd.e", b"a.b"),
    )
    assert join_fields(seen) == (
        ("all headers of connection 1", b"h.example1h.example123"),
        ("all headers of connection 1, backwards", b"123h.example1h.example"),
        ("all headers of connection 2", b"h.example1"),
        ("all headers of connection 2, backwards", b"1h.example"),
        ("header name of request 1 of each connection", b"HostX-AHostX-A"),
        ("header name of all requests", b"HostX-AHostX-AHostX-A"),
        ("header X-A value of all requests", b"11231"),
        ("header X-A value of all requests, where they differ", b"23"),
        ("header name of request 2 of each connection", b"HostX-A"),
        ("parameters of queries", b"c12=3c12=3"),
        ("labels of names", b"abcde"),
        ("first labels of names", b"acda"),
    )


def test_what_all_values_begin_and_end_with_is_cut_off():
    """`v` and `.x` are shared: 17, 26 and 2 are left of v17.x, v26.x and v2.x."""
    values = (b"v17.x", b"v26.x", b"v2.x")
    seen = observe(*(get(b"/a", b"X-A: " + value) for value in values))
    texts = {where: text for where, text in join_fields(seen) if "differ" in where}
    assert texts["header X-A value of request 1 of each connection, where they differ"] == b"17262"
