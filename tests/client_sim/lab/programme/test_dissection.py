"""Dissection of requests: every byte is in one field, and every rule is explained."""

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
REVEALED = {
    "root": {"12": "the root version held"},
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


def make_request(rule):
    """Return a request that a rule of the table allows."""
    last = b"Range: bytes=0-8388607" if rule == "package" else b"Accept-Encoding: gzip"
    return b"GET " + PATHS[rule] + b" HTTP/1.1\r\nHost: u.example\r\n" + last + b"\r\n\r\n"


REQUESTS = st.sampled_from([make_request(rule) for rule in PATHS])


def test_fields_of_each_rule():
    """Each field of a path says what it can reveal."""
    for rule, path in PATHS.items():
        with case(rule):
            (exchange,) = dissect(make_request(rule), b"u.example")
            assert exchange.rule == rule
            assert exchange.data == make_request(rule)
            reveals = {f.data.decode(): f.reveals for f in exchange.fields if f.data in path}
            revealed = {data: each for data, each in reveals.items() if each != "nothing"}
            assert revealed == REVEALED[rule]
            assert all(field.name and field.why for field in exchange.fields)
    assert set(PATHS) == {rule.name for rule in RULES}


def test_unexplained_bytes_keep_their_position():
    """Bytes that no rule allows become an exchange where they were sent."""
    data = make_request("root") + b"X: 1\r\n\r\n" + make_request("timestamp") + b"more"
    exchanges = dissect(data, None)
    assert [each.rule for each in exchanges] == ["root", UNEXPLAINED, "timestamp", UNEXPLAINED]
    assert [each.is_explained for each in exchanges] == [True, False, True, False]
    assert b"".join(each.data for each in exchanges) == data


@given(st.lists(st.one_of(REQUESTS, st.binary(max_size=40))))
def test_exchanges_contain_every_byte(pieces):
    """The joined exchanges equal what was sent."""
    data = b"".join(pieces)
    assert b"".join(each.data for each in dissect(data, None)) == data
