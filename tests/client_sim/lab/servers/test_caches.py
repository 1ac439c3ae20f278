"""Memoised checks and parsers return what the originals return."""

import datetime as dt
import gzip
import json

import h11
import pytest
from securesystemslib.signer import SSlibKey
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from client_sim.content import fetch as packs
from client_sim.content import index, store
from client_sim.content.index import File
from client_sim.content.kinds import KINDS
from client_sim.device import tlog, trust
from client_sim.device.answer import AnswerReader
from client_sim.device.errors import ContentError, LogError, ProfileError, TransportError
from client_sim.lab.servers.caches import CachingParser, memoised
from client_sim.lab.servers.replies import decode_replies
from client_sim.lab.trace.memory import Request
from tests.client_sim.content.packs import encode_part, encode_parts

START = 1_767_225_600
DATE = b"Date: Thu, 01 Jan 2026 07:08:09 GMT\r\n"
GOOD = b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 4\r\n\r\nbody"
ZIPPED = gzip.compress(b"packed")
ANSWERS = {
    "whole": [GOOD],
    "two": [GOOD, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"],
    "without a body": [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", GOOD],
    "chunks": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    ],
    "gzip": [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED)
        + ZIPPED
    ],
    "another coding": [GOOD.replace(DATE, b"Content-Encoding: br\r\n")],
    "a range": [GOOD.replace(DATE, b"Content-Range: bytes 0-3/9\r\n")],
    "cut": [GOOD[:-1]],
    "cut, then whole": [GOOD, GOOD[:-1]],
    "more than was asked for": [GOOD + b"x", GOOD],
    "the last one": [GOOD.replace(DATE, b"Connection: close\r\n"), GOOD],
    "no length": [b"HTTP/1.1 200 OK\r\n\r\nbody"],
    "HTTP/1.0": [GOOD.replace(b"1.1", b"1.0"), GOOD],
    "informational": [b"HTTP/1.1 103 Early Hints\r\n\r\n" + GOOD],
    "no HTTP": [b"SSH-2.0-OpenSSH\r\n"],
    "nothing": [b""],
    "too long a head": [GOOD.replace(DATE, b"X: " + b"x" * 20_000 + b"\r\n")],
    "a head of a byte too many": [GOOD.replace(DATE, DATE + b"X: " + b"x" * 16_336 + b"\r\n")],
    "a body that looks like a date": [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n\r\n" % (len(DATE) + 2) + DATE
    ],
    "longer than what is kept": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"m" * 70_000,
        GOOD,
    ],
}


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Disable the memo of the other modules' tests: each test here has its own."""


@pytest.fixture
def fetch(repository):
    """Fetch a file of a fresh run."""
    respond = repository.serve()

    def get(path):
        data = f"GET {path} HTTP/1.1\r\n\r\n".encode()
        request = Request(data, float(START), 0, "198.51.100.1", 80, None)
        return decode_replies(respond(request))[0].body

    return get


def load(root, timestamp):
    """Verify a timestamp from a trusted root."""
    trusted = TrustedMetadataSet(root, EnvelopeType.METADATA)
    trusted.reference_time = dt.datetime.fromtimestamp(START, dt.UTC)
    trusted.update_timestamp(timestamp)
    return trusted.timestamp


def test_wrong_signatures_are_refused(fetch):
    """After the right file was remembered: changed signatures, changed bytes, and other keys."""
    root, good = fetch("/metadata/1.root.json"), fetch("/metadata/timestamp.json")
    document = json.loads(good)
    signature = document["signatures"][0]["sig"]
    with memoised():
        load(root, good)
        for place in range(0, len(signature), 2):
            other = f"{int(signature[place], 16) ^ 1:x}"
            document["signatures"][0]["sig"] = signature[:place] + other + signature[place + 1 :]
            with pytest.raises(UnsignedMetadataError):
                load(root, json.dumps(document).encode())
        assert load(root, good).version == 1
        with pytest.raises(UnsignedMetadataError):
            load(root, good.replace(b'"version":1}', b'"version":2}'))
        strange, payload = Metadata.from_bytes(root), Metadata.from_bytes(good)
        keyid = strange.signed.roles["timestamp"].keyids[0]
        other = strange.signed.keys[strange.signed.roles["snapshot"].keyids[0]]
        strange.signed.keys[keyid] = SSlibKey(keyid, other.keytype, other.scheme, other.keyval)
        with pytest.raises(UnsignedMetadataError):
            strange.signed.verify_delegate("timestamp", payload.signed_bytes, payload.signatures)


def test_wrong_notes_and_roots_are_refused(fetch):
    """Refusals are not remembered: each check is made again."""
    good = fetch("/metadata/1.root.json")
    bad = good.replace(b'"consistent_snapshot":true', b'"consistent_snapshot":false')
    roots = [Metadata.from_bytes(data).signed for data in (good, bad)]
    key = tlog.decode_log_key(roots[0].unrecognized_fields["custom"]["log"])
    note = fetch("/log/checkpoint")
    with memoised():
        tlog.verify_checkpoint(note, key)
        assert trust.check_root(roots[0]) is trust.check_root(roots[0])
        for _ in range(2):
            with pytest.raises(LogError):
                tlog.verify_checkpoint(note.replace(b"\n7\n", b"\n8\n"), key)
            with pytest.raises(ProfileError):
                trust.check_root(roots[1])


def test_signatures_are_checked_once(fetch, monkeypatch):
    """After the block the original functions are restored, and nothing is remembered."""
    made = []
    true = SSlibKey.verify_signature

    def count(self, signature, data):
        made.append(self.keyid)
        true(self, signature, data)

    monkeypatch.setattr(SSlibKey, "verify_signature", count)
    root, good = fetch("/metadata/1.root.json"), fetch("/metadata/timestamp.json")
    names = vars(Metadata)["from_bytes"], vars(Metadata)["signed_bytes"], tlog.verify_note
    with memoised():
        load(root, good)
        once = len(made)
        load(root, good)
        assert len(made) == once == 3
    assert (vars(Metadata)["from_bytes"], vars(Metadata)["signed_bytes"], tlog.verify_note) == names
    load(root, good)
    assert len(made) == 2 * once


def test_metadata_not_read_from_bytes_is_not_remembered(fetch):
    """It is encoded each time, because it may have changed."""
    with memoised():
        metadata = Metadata.from_dict(json.loads(fetch("/metadata/timestamp.json")))
        before = metadata.signed_bytes
        metadata.signed.version = 2
        assert before != metadata.signed_bytes


def test_index_is_decoded_again_with_other_targets(fetch):
    """The targets decide which of its packs can be used."""
    role = Metadata.from_bytes(fetch("/metadata/1.tables.json")).signed
    custom = role.unrecognized_fields["custom"]
    targets = {
        path: (File(each.length, each.hashes["sha256"]), each.unrecognized_fields.get("custom"))
        for path, each in role.targets.items()
    }
    with memoised():
        index = packs.decode_index("tables", custom, targets)
        assert index.packs
        assert packs.decode_index("tables", custom, dict(targets)) is index
        assert not packs.decode_index("tables", custom, {}).packs
        assert packs.decode_index("tables", custom, targets) == index


def test_bad_parts_and_entries_are_refused():
    """A damaged part, and entries with a host that only another list of hosts has."""
    notice = {
        "title": {"en": "Alarms"},
        "body": {"en": "They ring."},
        "severity": "info",
        "published": "2026-01-01",
        "link": "https://rom.example/alarms",
    }
    (data,) = encode_parts("notices", {"alarms": notice})
    context = {"pictures": {}, "wallpapers": None}
    with memoised():
        for _ in range(2):
            entries = dict(store.decode_part(data, KINDS["notices"], 0))
            packs.check_entries("notices", entries, hosts={"rom.example"}, **context)
            with pytest.raises(ContentError):
                packs.check_entries("notices", entries, hosts=set(), **context)
            with pytest.raises(ContentError):
                store.decode_part(data[:-1] + b"x", KINDS["notices"], 0)


def test_parts_and_entries_are_checked_once(monkeypatch):
    """Equal bytes are decoded and checked only for the first phone."""
    calls = []
    check, parse = packs._CHECKS["ca"], index._parse
    monkeypatch.setitem(
        packs._CHECKS, "ca", lambda entries: calls.append("check") or check(entries)
    )
    monkeypatch.setattr(index, "_parse", lambda text: calls.append("parse") or parse(text))
    data = encode_part("ca", 0, {})
    with memoised():
        for _ in range(3):
            entries = dict(store.decode_part(data, KINDS["ca"], 0))
            packs.check_entries("ca", entries, hosts=(), pictures={}, wallpapers=None)
    assert calls == ["parse", "check"]


class Wire:
    """A stream that receives one answer for each call of `ask`, in pieces."""

    def __init__(self, answers, piece):
        self.answers, self.piece, self.data = list(answers), piece, b""

    def ask(self):
        """Receive the next answer."""
        self.data += self.answers.pop(0)

    def recv(self, limit):
        """Return a piece."""
        size = min(self.piece, limit)
        piece, self.data = self.data[:size], self.data[size:]
        return piece


def read_all(answers, piece):
    """Read answers over one connection; return each as a phone reads it, or its error."""
    wire, read = Wire(answers, piece), []
    reader = AnswerReader(wire, lambda: 0.0)
    for _ in answers:
        try:
            reader.expect("/metadata/1.root.json", "updates.example.org")
            wire.ask()
            read.append(reader.read(limit=100_000, seconds=9.0, may_compress=True))
        except TransportError as error:
            return [*read, repr(error)]
    return read


def test_memoised_answers_are_read_as_usual():
    """The first time, and again."""
    for name, answers in ANSWERS.items():
        for piece in (97, 65_536):
            expected = read_all(answers, piece)
            with memoised():
                assert read_all(answers, piece) == expected, name
                assert read_all(answers, piece) == expected, name


def test_heads_that_differ_in_date_or_tag_are_parsed_once():
    """They are the same object, while each answer has its own body."""

    def parse(data):
        parser = CachingParser(h11.Connection(h11.CLIENT))
        parser.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(data)
        return parser.next_event(), parser.next_event().data

    tagged = GOOD.replace(DATE, DATE + b'ETag: "sha256-%s"\r\n' % (b"3" * 64))
    for answer in (GOOD, tagged):
        first, body = parse(answer)
        assert body == b"body"
        for one, other in ((b"07:08:09", b"23:59:58"), (b"3" * 64, b"4" * 64)):
            assert parse(answer.replace(one, other)) == (first, b"body")
            assert parse(answer.replace(one, other))[0] is first
        changed = parse(answer.replace(b"body", b"else"))
        assert changed[0] is first
        assert changed[1] == b"else"
    assert parse(GOOD)[0] is not first
