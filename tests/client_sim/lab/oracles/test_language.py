"""Each request out of order has an explanation, and orders of real phones have none."""

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.language import Order
from tests.cases import case

BLOCK = 8 * 1024 * 1024


def complain(*requests):
    """Return the complaint about the last request; the requests before it must have none."""
    order = Order()
    complaints = [order.complaint(rule, parts, path) for rule, parts, path in requests]
    assert complaints[:-1] == [None] * (len(requests) - 1)
    return complaints[-1]


def root(version):
    """Request a root."""
    return "root", {"version": b"%d" % version}, b""


def role(name, version=b"8"):
    """Request a role."""
    return "role", {"role": name, "version": version}, b""


def block(first, last, codename=b"armani", path=b"/p"):
    """Request a block."""
    parts = {"first": b"%d" % first, "last": b"%d" % last, "codename": codename}
    return "package", parts, path


def common(name):
    """Request the proof of `tables` or `content`."""
    return "proof-common", {"role": name, "version": b"8"}, b""


def pack(owner, kind, number):
    """Request a part of a pack."""
    return "pack", {"owner": owner, "kind": kind, "number": number}, b""


TIMESTAMP = ("timestamp", {}, b"")
SNAPSHOT = ("snapshot", {"version": b"9"}, b"")
POLL = (root(2), TIMESTAMP)
PART = ("part", {"part": b"latest-a", "version": b"8"}, b"")
PROOF = ("proof-latest", {"version": b"8"}, b"")
PART_PROOF = ("proof-part", {"part": b"latest-a", "version": b"8"}, b"")
PACK = pack(b"tables", b"apn", b"11")
PICTURE = ("picture", {"picture": b"dawn"}, b"")
CODENAME = ("codename", {"codename": b"armani", "version": b"4"}, b"")
CODENAME_PROOF = ("proof-codename", {"codename": b"armani", "version": b"4"}, b"")


def test_exact_complaints():
    """Each complaint is about the last request."""
    for requests, words in (
        ((TIMESTAMP,), "timestamp may not follow the start of a connection"),
        ((*POLL, TIMESTAMP), "timestamp may not follow timestamp"),
        ((root(1),), "every phone already holds version 1 of root"),
        ((root(2), root(4)), "root versions must be requested one by one"),
        ((root(2), root(2)), "root versions must be requested one by one"),
        ((*POLL, role(b"targets"), role(b"targets")), "targets may not follow targets"),
        (
            (*POLL, role(b"targets"), role(b"tables"), role(b"latest")),
            "latest may not follow tables",
        ),
        ((*POLL, role(b"tables"), PART), "latest-a may not follow tables"),
        ((*POLL, PART, PART_PROOF, role(b"latest")), "latest may not follow latest"),
        (
            (*POLL, role(b"latest", b"7"), PROOF),
            "version 8 of latest must be requested right before its proof",
        ),
        ((*POLL, role(b"tables"), PART_PROOF), "proof-part may not follow role"),
        ((*POLL, PART, PROOF), "proof-latest may not follow part"),
        (
            (*POLL, ("part", {"part": b"latest-a", "version": b"7"}, b""), PART_PROOF),
            "version 8 of latest-a must be requested right before its proof",
        ),
        (
            (*POLL, role(b"latest"), CODENAME),
            "codename may not follow latest without its proof",
        ),
        (
            (*POLL, role(b"latest"), role(b"tables")),
            "role may not follow latest without its proof",
        ),
        (
            (*POLL, role(b"targets"), role(b"latest"), role(b"tables")),
            "role may not follow latest without its proof",
        ),
        ((*POLL, PART, block(0, 9)), "package may not follow part"),
        ((block(0, 9), root(2)), "root may not follow package"),
        (
            (CODENAME, ("proof-codename", {"codename": b"armani", "version": b"5"}, b"")),
            "version 5 of armani must be requested right before its proof",
        ),
        (
            (*POLL, role(b"tables"), role(b"content"), common(b"tables")),
            "version 8 of tables must be requested right before its proof",
        ),
        ((*POLL, common(b"tables")), "proof-common may not follow timestamp"),
        ((*POLL, SNAPSHOT, PACK, role(b"content")), "role may not follow pack"),
        (
            (*POLL, PACK, PACK),
            "parts of packs must be requested in the order of their roles, kinds and numbers",
        ),
        (
            (*POLL, pack(b"content", b"apn", b"00"), PACK),
            "parts of packs must be requested in the order of their roles, kinds and numbers",
        ),
        ((*POLL, PICTURE), "picture may not follow timestamp"),
        ((PICTURE, PICTURE), "picture may not follow picture"),
        ((block(1, 9),), "a block starts at a multiple of 8 MiB and is no longer than that"),
        ((block(0, BLOCK),), "a block starts at a multiple of 8 MiB and is no longer than that"),
        (
            (block(BLOCK, BLOCK - 1),),
            "a block starts at a multiple of 8 MiB and is no longer than that",
        ),
        (
            (CODENAME, CODENAME_PROOF, block(0, 9, b"cancro")),
            "the package is for another model than the codename role",
        ),
        *(
            (
                requests,
                "blocks of one package must be requested in ascending order, the last one shorter",
            )
            for requests in (
                (block(0, 9), block(BLOCK, BLOCK + 9)),
                (block(0, BLOCK - 1), block(2 * BLOCK, 2 * BLOCK + 9)),
                (block(0, BLOCK - 1), block(BLOCK, BLOCK + 9, path=b"/q")),
                (block(BLOCK, 2 * BLOCK - 1), block(0, BLOCK - 1)),
            )
        ),
    ):
        with case(requests, words):
            assert complain(*requests) == words


def test_orders_without_complaint():
    """Polls, installations and resumed downloads are in order."""
    for requests in (
        (root(3), root(4), TIMESTAMP, SNAPSHOT),
        (
            *(*POLL, role(b"targets"), role(b"latest"), PROOF),
            *(role(b"tables"), common(b"tables"), role(b"content"), common(b"content")),
            *(PACK, pack(b"tables", b"apn", b"12"), pack(b"tables", b"ca", b"00")),
            *(pack(b"content", b"greetings", b"00"), CODENAME, CODENAME_PROOF),
        ),
        (*POLL, SNAPSHOT, PART, PART_PROOF, role(b"content"), CODENAME, CODENAME_PROOF),
        (*POLL, SNAPSHOT, role(b"tables"), role(b"content"), common(b"content")),
        (*POLL, PACK),
        (PICTURE,),
        (*POLL, role(b"latest"), PROOF, block(0, 9)),
        (*POLL, role(b"tables"), CODENAME, CODENAME_PROOF, block(0, BLOCK - 1)),
        (block(0, BLOCK - 1), block(BLOCK, BLOCK)),
        (block(BLOCK, 2 * BLOCK - 1), block(2 * BLOCK, 3 * BLOCK - 1)),
    ):
        with case(requests):
            assert complain(*requests) is None


ALL = [
    *(root(2), TIMESTAMP, SNAPSHOT, role(b"targets"), role(b"latest"), role(b"tables")),
    *(PART, PROOF, PART_PROOF, common(b"tables"), PACK, PICTURE, CODENAME, CODENAME_PROOF),
    block(0, 9),
]


@given(st.lists(st.sampled_from(ALL), max_size=8))
def test_arbitrary_orders_raise_no_exception(requests):
    """A connection must begin with root, a picture or an installation."""
    order = Order()
    complaints = [order.complaint(*request) for request in requests]
    if requests and requests[0][0] not in {"root", "codename", "package", "picture"}:
        assert complaints[0].endswith("may not follow the start of a connection")
