import json
from dataclasses import replace
from itertools import combinations, product

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from server.core.encodings import encode_canonical_json
from server.core.note import VerifierKey
from signer.ceremony.initial import group_keys
from signer.ceremony.plan import decode_online_keys, plan_ceremony
from signer.ceremony.policy import Policy
from signer.errors import CeremonyError
from signer.keys.keystore import Keystore
from tests.cases import case


@pytest.fixture(scope="session")
def grouped(made_keys):
    """Return the public halves by role."""
    return group_keys(Keystore(made_keys).load_public_keys())


@pytest.fixture(scope="session")
def online(online_file):
    """Return the server's public halves."""
    return decode_online_keys(online_file)


def test_first_root(grouped, online, now) -> None:
    """Root has 2 of 3 root keys, 2 targets keys, one key for each online role, and the log."""
    root = plan_ceremony(Policy(("armani",)), grouped, online, now)["root"].to_dict()
    assert {
        name: (role["threshold"], len(role["keyids"])) for name, role in root["roles"].items()
    } == {"root": (2, 3), "targets": (2, 2), "snapshot": (1, 1), "timestamp": (1, 1)}
    lifetimes = dict.fromkeys(("codenames", "content", "tables", "targets"), 365)
    assert root["custom"] == {"lifetimes": lifetimes, "log": str(online.log), "schema": 1}
    assert root["consistent_snapshot"] is True
    assert root["version"] == 1
    assert root["expires"] == "2027-06-01T12:00:00Z"


def test_first_targets(grouped, online, now) -> None:
    """Targets has one terminating delegation for each role, and the other roles are empty."""
    planned = plan_ceremony(Policy(("dior", "armani"), {"armani": 2}), grouped, online, now)
    targets = planned["targets"].to_dict()
    assert targets["targets"] == {}
    assert targets["expires"] == "2026-08-30T12:00:00Z"
    assert [
        (role["name"], role["paths"], role["terminating"], role["threshold"], len(role["keyids"]))
        for role in targets["delegations"]["roles"]
    ] == [
        ("armani", ["armani/*/*/*"], True, 2, 2),
        ("dior", ["dior/*/*/*"], True, 1, 1),
        ("tables", ["tables/*/*"], True, 2, 2),
        ("content", ["content/*/*"], True, 1, 1),
        ("latest", ["latest/*/*/*"], True, 1, 1),
    ]
    planned = plan_ceremony(Policy(("armani",)), grouped, online, now)
    assert list(planned) == ["root", "targets", "tables", "content", "armani"]
    for role in ("tables", "content", "armani"):
        assert planned[role].to_dict()["targets"] == {}


def test_invalid_policy_is_refused(grouped, online, now) -> None:
    """The message says what to do."""
    for policy, sentence in (
        (Policy(()), "No model is named"),
        (Policy(("armani", "armani")), "named twice"),
        (Policy(("Armani",)), "not a codename"),
        (Policy(("latest",)), "not a codename"),
        (Policy(("armani",), {"root": 0}), "asks for 0 signatures"),
        (Policy(("armani",), {"dior": 1}), "'dior' is not an offline role"),
        (Policy(("armani",), {"snapshot": 1}), "'snapshot' is not an offline role"),
        (Policy(("armani",), {}, {"latest": 7}), "'latest' is not an offline role"),
        (Policy(("armani",), {}, {"root": 0}), "cannot expire after 0 days"),
        (Policy(("armani",), {}, {"root": 3651}), "cannot expire after 3651 days"),
    ):
        with case(policy), pytest.raises(CeremonyError, match=sentence):
            plan_ceremony(policy, grouped, online, now)


def test_missing_keys_are_listed(grouped, online, now) -> None:
    """The message lists all missing keys, the command that makes them, and possible thresholds."""
    held = {**grouped, "root": grouped["root"][1:2], "targets": [], "tables": grouped["tables"][:1]}
    with pytest.raises(CeremonyError) as refused:
        plan_ceremony(Policy(("armani", "cancro")), held, online, now)
    assert str(refused.value) == (
        "Keys are missing: root asks for 2 and has 1, targets asks for 2 and has 0, tables asks for"
        " 2 and has 1, cancro asks for 1 and has 0; make them with `keys new root-3 targets-1"
        " targets-2 tables-2 cancro-1`, or ask for fewer signatures with --threshold root=1"
        " --threshold tables=1."
    )


def test_key_has_one_purpose(grouped, online, now, online_file) -> None:
    """No key may be both online and offline, or have two online roles."""
    for role, name in product(
        ("root", "targets", "armani", "tables"), ("latest", "snapshot", "timestamp")
    ):
        changed = replace(online, **{name: grouped[role][0].public})
        with pytest.raises(CeremonyError, match=f"{role}-1 is also one of the server's keys"):
            plan_ceremony(Policy(("armani",)), grouped, changed, now)
    with pytest.raises(CeremonyError, match="separate keys"):
        plan_ceremony(Policy(("armani",)), grouped, replace(online, timestamp=online.snapshot), now)
    public = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    for first, second in combinations(("latest", "log", "snapshot", "timestamp"), 2):
        value = json.loads(online_file)
        for name in (first, second):
            value["keys"][name] = (
                str(VerifierKey("log.example/hening", public)) if name == "log" else public.hex()
            )
        with pytest.raises(CeremonyError, match=f"{first} and {second} are one key"):
            decode_online_keys(encode_canonical_json(value))


def test_decode_online_keys(online_file) -> None:
    """Invalid files are refused with the name of the right file."""
    keys = json.loads(online_file)["keys"]
    online = decode_online_keys(online_file)
    assert (online.latest, online.snapshot, online.timestamp, str(online.log)) == (
        keys["latest"],
        keys["snapshot"],
        keys["timestamp"],
        keys["log"],
    )
    sound = json.loads(online_file)
    advice = "; give the public.json that `hening-server init` made"
    for changed, sentence in (
        ({"latest": "00" * 32}, "not a canonical point"),
        ({"snapshot": "AA" * 32}, "lower-case hex"),
        ({"timestamp": 7}, "must name"),
        ({"log": "log.example+00+AAAA"}, "not an Ed25519 key"),
        ({"more": "00" * 32}, "must name"),
    ):
        value = sound | {"keys": sound["keys"] | changed}
        with case(changed), pytest.raises(CeremonyError, match=f"{sentence}.*{advice}"):
            decode_online_keys(encode_canonical_json(value))
    for value in ([], {}, sound | {"schema": 2}, sound | {"schema": True}, sound | {"keys": []}):
        with case(value), pytest.raises(CeremonyError, match=advice):
            decode_online_keys(encode_canonical_json(value))
    with pytest.raises(CeremonyError, match="canonical form"):
        decode_online_keys(online_file.replace(b",", b", "))


@given(st.binary(max_size=4200))
def test_arbitrary_bytes_are_refused(data) -> None:
    """Arbitrary bytes are refused with a CeremonyError."""
    with pytest.raises(CeremonyError):
        decode_online_keys(data)
