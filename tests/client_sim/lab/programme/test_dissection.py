"""Requests taken apart: every byte in one field, every rule of the table explained."""

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.language import RULES
from client_sim.lab.programme.dissection import UNEXPLAINED, dissect
from tests.cases import case

HASH = b"0f" * 32
PATHS = {
    "root": b"/metadata/12.root.json",
    "timestamp": b"/metadata/timestamp.json",
    "snapshot": b"/metadata/3.snapshot.json",
    "role": b"/metadata/4.tables.json",
    "part": b"/metadata/4.latest-c.json",
    "proof-latest": b"/log/proof/latest.4",
    "proof-part": b"/log/proof/latest-c.4",
    "proof-common": b"/log/proof/tables.4",
    "pack": b"/targets/tables/zones/" + HASH + b".07.xz",
    "codename": b"/metadata/5.armani.json",
    "proof-codename": b"/log/proof/armani.5",
    "package": b"/targets/armani/id/stable/" + HASH + b".full-5.zip",
    "picture": b"/targets/content/wallpapers/" + HASH + b".dawn.jpg",
}
TELLS = {
    "root": {"2": 0, "12": "the root version held"},
    "timestamp": {},
    "snapshot": {"3": "versions held"},
    "role": {"4": "versions held"},
    "part": {"4": "versions held", "latest-c": "one of 4 or 16 parts"},
    "proof-latest": {"4": "no more than that request"},
    "proof-part": {"4": "no more than that request", "latest-c": "no more than that request"},
    "proof-common": {"4": "no more than that request"},
    "pack": {HASH.decode(): "no more than the versions held"},
    "codename": {"5": "versions held", "armani": "the model"},
    "proof-codename": {"5": "no more than that request", "armani": "no more than that request"},
    "package": {
        "armani": "the model",
        "id": "the region",
        "stable": "the channel",
        HASH.decode(): "which package",
        "full-5.zip": "the build it starts from",
    },
    "picture": {
        "dawn": "which wallpaper the owner chose",
        HASH.decode(): "which wallpaper the owner chose",
    },
}


def request(rule):
    """Write a request of a rule."""
    last = b"Range: bytes=0-8388607" if rule == "package" else b"Accept-Encoding: gzip"
    return b"GET " + PATHS[rule] + b" HTTP/1.1\r\nHost: u.example\r\n" + last + b"\r\n\r\n"


def test_a_rule_is_explained_to_the_byte():
    """The fields of the path that tell something say what; no rule of the table is missing here."""
    for rule, parts in PATHS.items():
        with case(rule):
            (exchange,) = dissect(request(rule), b"u.example")
            assert exchange.rule == rule
            assert exchange.data == request(rule)
            path = {f.data.decode(): f.tells for f in exchange.fields if f.data in parts}
            told = {data: tells for data, tells in path.items() if tells != "nothing"}
            expected = {data: tells for data, tells in TELLS[rule].items() if tells}
            assert told == expected
            assert all(field.name and field.why for field in exchange.fields)
    assert set(PATHS) == {rule.name for rule in RULES}


def test_what_is_not_in_the_table_stands_where_it_was_sent():
    """Between two requests, and behind the last."""
    data = request("root") + b"X: 1\r\n\r\n" + request("timestamp") + b"more"
    exchanges = dissect(data, None)
    assert [each.rule for each in exchanges] == ["root", UNEXPLAINED, "timestamp", UNEXPLAINED]
    assert [each.is_explained for each in exchanges] == [True, False, True, False]
    assert b"".join(each.data for each in exchanges) == data


@given(
    st.lists(st.one_of(st.sampled_from([request(rule) for rule in PATHS]), st.binary(max_size=40)))
)
def test_no_byte_is_lost(pieces):
    """Whatever was sent, the exchanges put together are it."""
    data = b"".join(pieces)
    assert b"".join(each.data for each in dissect(data, None)) == data
