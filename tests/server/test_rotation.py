"""Which device nodes an edge sends requests to."""

from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Timestamp

from server.core.errors import FormatError, TrustError
from server.core.metadata import decode_root
from server.rotation import GRACE, Rotation, encode_upstream, rank_timestamp


def plan(rotation, versions, now):
    """Plan with timestamps of one root; None stands for a node without a verified timestamp."""
    return rotation.plan(
        {node: version and (1, version) for node, version in versions.items()}, now
    )


def test_lagging_node():
    """A lagging node is used for `GRACE` seconds, and again once it has caught up.

    New timestamps during that time do not extend it.
    """
    rotation = Rotation()
    assert plan(rotation, {"a": 7, "b": 7, "c": 7}, 0) == {"a", "b", "c"}
    assert plan(rotation, {"a": 8, "b": 7, "c": 8}, 100) == {"a", "b", "c"}
    assert plan(rotation, {"a": 8, "b": 7, "c": 8}, 100 + GRACE) == {"a", "c"}
    assert plan(rotation, {"a": 8, "b": 8, "c": 8}, 200) == {"a", "b", "c"}
    rotation = Rotation()
    for second in range(20):
        asked = plan(rotation, {"a": 7 + second, "b": 7}, second)
        assert ("b" in asked) == (second < 1 + GRACE)
        assert "a" in asked


def test_unanswering_node():
    """A node without an answer is dropped immediately; the others are used even if they lag.

    If no node answers, all are used: nginx itself finds out which one is back.
    """
    rotation = Rotation()
    plan(rotation, {"a": 8, "b": 7, "c": 6}, 0)
    assert plan(rotation, {"a": None, "b": 7, "c": None}, 1) == {"b"}
    assert plan(rotation, {"a": None, "b": 7, "c": 6}, 100) == {"b", "c"}
    assert plan(rotation, {"a": 8, "b": 7, "c": 6}, 101) == {"a"}
    rotation = Rotation()
    for now in (0, 100):
        assert plan(rotation, {"a": None, "b": None}, now) == {"a", "b"}


def test_newer_root_outranks_a_higher_version():
    """A newer root outranks a higher version, so a stolen former key removes no current node."""
    rotation = Rotation()
    for now in (0, 100):
        assert rotation.plan({"a": (2, 1), "b": (1, 2**53)}, now) >= {"a"}
    assert rotation.plan({"a": (2, 1), "b": (1, 2**53)}, 200) == {"a"}


def test_rank_of_a_timestamp(published_state):
    """A timestamp ranks by the newest root whose keys signed it, then by its version.

    A timestamp with a foreign signature and a malformed one are refused.
    """
    ceremony = published_state.ceremony.copy()
    following, foreign = (CryptoSigner.generate_ed25519() for _ in range(2))
    first = decode_root(ceremony.root(1)).signed
    second = decode_root(ceremony.root(2)).signed
    third = decode_root(ceremony.root(3, {"timestamp": [following.public_key]})).signed
    roots = (first, second, third)

    def sign(version, *keys):
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        signed = Timestamp(version, None, expires, MetaFile(1))
        return ceremony.sign("timestamp", signed, list(keys))

    online = published_state.keys.signers["timestamp"]
    assert rank_timestamp(sign(9, online), roots) == (2, 9)
    assert rank_timestamp(sign(5, following), roots) == (3, 5)
    with pytest.raises(TrustError, match="timestamp 900 does not have"):
        rank_timestamp(sign(900, foreign), roots)
    with pytest.raises(FormatError):
        rank_timestamp(b"[]", roots)


def test_upstream_file_for_nginx():
    """The file for nginx has a line per address in the given order; unused nodes are `down`."""
    lines = encode_upstream({"10.0.0.1:8080": True, "[fd00::2]:8080": False})
    assert lines == "server 10.0.0.1:8080;\nserver [fd00::2]:8080 down;\n"
