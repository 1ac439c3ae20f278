"""Checks that are remembered are the same checks: nothing passes that did not pass before."""

import datetime as dt
import json

import pytest
from securesystemslib.signer import SSlibKey
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from client_sim.content import fetch as packs
from client_sim.content.index import File
from client_sim.device import tlog, trust
from client_sim.device.errors import LogError, ProfileError
from client_sim.lab.servers.memo import memoised
from client_sim.lab.servers.replies import decode_replies
from client_sim.lab.trace.memory import Asked

START = 1_767_225_600


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Leave the memo to each test."""


@pytest.fixture
def fetch(repository):
    """Fetch a file of a fresh run."""
    respond = repository.serve()

    def get(path):
        data = f"GET {path} HTTP/1.1\r\n\r\n".encode()
        asked = Asked(data, float(START), 0, "198.51.100.1", 80, None)
        return decode_replies(respond(asked))[0].body

    return get


def load(root, timestamp):
    """Verify a timestamp from a trusted root."""
    trusted = TrustedMetadataSet(root, EnvelopeType.METADATA)
    trusted.reference_time = dt.datetime.fromtimestamp(START, dt.UTC)
    trusted.update_timestamp(timestamp)
    return trusted.timestamp


def test_each_changed_byte_of_a_signature_is_refused_still(fetch):
    """Once the right file is remembered, others with the same content are judged by themselves."""
    root, good = fetch("/metadata/1.root.json"), fetch("/metadata/timestamp.json")
    with memoised():
        load(root, good)
        document = json.loads(good)
        signature = document["signatures"][0]["sig"]
        for place in range(0, len(signature), 2):
            other = f"{int(signature[place], 16) ^ 1:x}"
            document["signatures"][0]["sig"] = signature[:place] + other + signature[place + 1 :]
            with pytest.raises(UnsignedMetadataError):
                load(root, json.dumps(document).encode())
        assert load(root, good).version == 1


def test_a_signature_of_other_bytes_is_refused_still(fetch):
    """The same signature by the same key does not pass for another version."""
    root, good = fetch("/metadata/1.root.json"), fetch("/metadata/timestamp.json")
    with memoised():
        load(root, good)
        with pytest.raises(UnsignedMetadataError):
            load(root, good.replace(b'"version":1}', b'"version":2}'))


def test_a_signature_by_another_key_is_refused_still(fetch):
    """What one key signed does not pass for another key's."""
    root, good = fetch("/metadata/1.root.json"), fetch("/metadata/timestamp.json")
    strange = Metadata.from_bytes(root)
    keyid = strange.signed.roles["timestamp"].keyids[0]
    other = strange.signed.keys[strange.signed.roles["snapshot"].keyids[0]]
    strange.signed.keys[keyid] = SSlibKey(keyid, other.keytype, other.scheme, other.keyval)
    with memoised():
        load(root, good)
        payload = Metadata.from_bytes(good)
        strange.signed.roles["root"].threshold = 1
        with pytest.raises(UnsignedMetadataError):
            strange.signed.verify_delegate("timestamp", payload.signed_bytes, payload.signatures)


def test_a_note_with_another_signature_is_refused_still(fetch):
    """Notes of the log are remembered by all their bytes, and refusals are not."""
    root = Metadata.from_bytes(fetch("/metadata/1.root.json")).signed
    key = tlog.decode_log_key(root.unrecognized_fields["custom"]["log"])
    note = fetch("/log/checkpoint")
    with memoised():
        tlog.verify_checkpoint(note, key)
        for _ in range(2):
            with pytest.raises(LogError):
                tlog.verify_checkpoint(note.replace(b"\n7\n", b"\n8\n"), key)


def test_checks_are_made_once_and_everything_is_put_back(fetch, monkeypatch):
    """Two loads of the same bytes are one check; behind the block nothing is remembered."""
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


def test_metadata_that_is_made_is_not_remembered():
    """What was not read from bytes is written anew each time: it may have changed."""
    with memoised():
        metadata = Metadata.from_dict(
            {
                "signatures": [],
                "signed": {
                    "_type": "timestamp",
                    "expires": "2030-01-01T00:00:00Z",
                    "meta": {"snapshot.json": {"version": 1}},
                    "spec_version": "1.0.34",
                    "version": 1,
                },
            }
        )
        before = metadata.signed_bytes
        metadata.signed.version = 2
        assert before != metadata.signed_bytes


def test_a_root_that_breaks_the_profile_is_refused_still(fetch):
    """Whether another one was checked before, or this one."""
    good = fetch("/metadata/1.root.json")
    bad = good.replace(b'"consistent_snapshot":true', b'"consistent_snapshot":false')
    with memoised():
        roots = [Metadata.from_bytes(data).signed for data in (good, bad)]
        assert trust.check_root(roots[0]) is trust.check_root(roots[0])
        for _ in range(2):
            with pytest.raises(ProfileError):
                trust.check_root(roots[1])


def test_an_index_is_read_anew_with_other_targets_beside_it(fetch):
    """What stands beside an index decides which of its packs can be used."""
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
