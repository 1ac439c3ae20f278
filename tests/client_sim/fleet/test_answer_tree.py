"""Paths that the real code has taken, by the hashes of answers."""

import gzip
import hashlib

from client_sim.fleet.answer_tree import ABSENT, End, Node, RecordedRequest, add_path
from client_sim.fleet.lines import Lines


def hashed(data):
    """Return a sha256."""
    return hashlib.sha256(data).digest()


def make_tree(*bodies):
    """Grow one path for each body after the same first request."""
    lines, place = Lines(1), None
    ends = [End(None, str(index)) for index in range(len(bodies))]
    for body, end in zip(bodies, ends, strict=True):
        taken = [
            RecordedRequest(b"first", 404, ABSENT),
            RecordedRequest(b"second", 200, hashed(body), 7, 9.0),
        ]
        place = add_path(place, taken, end, lines.find)
    return place, ends


def test_a_path_leads_to_its_end():
    """Each body has its own end, and the requests before it are shared."""
    place, ends = make_tree(b"a", b"b")
    second = place.recognise(404, b"<any>", hashed(b"<any>"), is_gzip=False).following
    assert second.line.data == b"second"
    for body, end in zip((b"a", b"b"), ends, strict=True):
        edge = second.recognise(200, body, hashed(body), is_gzip=False)
        assert edge.following is end
        assert (edge.version, edge.expires) == (7, 9.0)


def test_unknown_answers_are_not_recognised():
    """A known body with another status is unknown, too, before and after it was recognised."""
    place, ends = make_tree(b"a")
    assert place.recognise(200, b"a", hashed(b"a"), is_gzip=False) is None
    second = place.recognise(404, b"", hashed(b""), is_gzip=False).following
    assert second.recognise(200, b"c", hashed(b"c"), is_gzip=False) is None
    assert second.recognise(500, b"a", hashed(b"a"), is_gzip=False) is None
    assert second.recognise(200, b"a", hashed(b"a"), is_gzip=False).following is ends[0]
    assert second.recognise(500, b"a", hashed(b"a"), is_gzip=False) is None


def test_compressed_bodies_are_recognised_decoded():
    """Other compressed bytes of the same body are recognised; damaged or trailing ones are not."""
    place, ends = make_tree(b"a" * 100)
    second = place.recognise(404, b"", hashed(b""), is_gzip=False).following
    for level in (1, 9):
        sent = gzip.compress(b"a" * 100, level, mtime=level)
        assert second.recognise(200, sent, hashed(sent), is_gzip=True).following is ends[0]
    for bad in (sent[:-1], sent + b"x", b"no gzip"):
        assert second.recognise(200, bad, hashed(bad), is_gzip=True) is None


def test_bytes_with_another_coding_are_unknown():
    """With another content coding a phone would decode other bytes, or none."""
    body = b"a" * 100
    sent = gzip.compress(body, mtime=0)
    for first, is_gzip in ((sent, True), (body, False)):
        place, ends = make_tree(body)
        second = place.recognise(404, b"", hashed(b""), is_gzip=False).following
        assert second.recognise(200, first, hashed(first), is_gzip=is_gzip).following is ends[0]
        assert second.recognise(200, first, hashed(first), is_gzip=not is_gzip) is None
        assert second.recognise(200, first, hashed(first), is_gzip=is_gzip).following is ends[0]


def test_path_that_is_learned_again():
    """The newest lesson replaces the older one; another first request starts another tree."""
    lines = Lines(1)
    place = add_path(None, [RecordedRequest(b"q", 200, hashed(b"a"))], End(None, "old"), lines.find)
    assert place.recognise(200, b"a", hashed(b"a"), is_gzip=False).following.fault == "old"
    again = add_path(
        place, [RecordedRequest(b"q", 200, hashed(b"a"))], End(None, "new"), lines.find
    )
    assert again is place
    assert place.recognise(200, b"a", hashed(b"a"), is_gzip=False).following.fault == "new"
    other = add_path(place, [RecordedRequest(b"r", 200, hashed(b"a"))], End(None), lines.find)
    assert isinstance(other, Node)
    assert other is not place
