"""Which key signs under a root and targets, and when a next key may take over."""

import dataclasses
from datetime import timedelta
from itertools import product

import pytest
from securesystemslib.signer import CryptoSigner

from server.core.errors import TrustError
from server.core.metadata import decode_root, decode_targets
from server.core.note import VerifierKey
from server.publisher.errors import PublishError
from server.publisher.keys.choice import (
    check_root_keys,
    check_signable,
    choose_keys,
    describe_keys,
    discard_next,
    plan_next,
    plan_switch,
    promote_next,
)
from server.publisher.keys.online_keys import HOLDERS, ROLES, create_next_keys, load_online_keys
from server.publisher.published import Trust
from tests.cases import case

STRANGER = CryptoSigner.generate_ed25519().public_key
CURRENT, NEXT, BOTH, NEITHER = "current", "next", "both", "neither"


@pytest.fixture
def keys(fresh):
    """Return online keys, each with a next key."""
    create_next_keys(fresh.folder.keys, HOLDERS)
    return load_online_keys(fresh.folder.keys)


def trust(world, keys, **listed):
    """Return a trust whose root and targets list each role's keys as `listed` specifies."""
    online, log = {}, {CURRENT: 0, NEXT: 1}
    for role in ROLES:
        first, second = keys.signers[role].public_key, keys.next_signers[role].public_key
        kinds = {CURRENT: [first], NEXT: [second], BOTH: [second, first], NEITHER: [STRANGER]}
        online[role] = kinds[listed.get(role, CURRENT)]
    which = listed.get("log", CURRENT)
    stranger = VerifierKey(keys.log_verifier.name, bytes.fromhex(STRANGER.keyval["public"]))
    verifier = keys.log_keys[log[which]].verifier if which in log else stranger
    root = decode_root(world.ceremony.root(1, online, verifier)).signed
    targets = decode_targets("targets", world.ceremony.targets(latest=online["latest"])).signed
    return Trust(root, targets, {})


def test_choose_listed_keys(fresh, keys):
    """The current key signs while it is listed, otherwise the next key; roles are independent."""
    for role, (listed, is_next) in product(ROLES, ((CURRENT, False), (BOTH, False), (NEXT, True))):
        trusted = trust(fresh, keys, **{role: listed})
        chosen = choose_keys(keys, trusted.root, trusted.targets).signers
        following = {role: keys.next_signers[role]} if is_next else {}
        assert chosen == dict(keys.signers) | following, (role, listed)


def test_no_key_is_listed(fresh, keys):
    """If neither key is listed, nothing is signed; the error names the command for a new key."""
    for role in HOLDERS:
        trusted = trust(fresh, keys, **{role: NEITHER})
        with pytest.raises(TrustError, match=f"run `hening-server keys new {role}`"):
            choose_keys(keys, trusted.root, trusted.targets)
        if role != "latest":
            with pytest.raises(TrustError, match=f"keys new {role}"):
                check_root_keys(trusted.root, keys)


def test_choice_without_next_keys(fresh, keys):
    """Without next keys, only the current key counts; other listed keys do not help."""
    alone = dataclasses.replace(keys, next_signers={}, next_log=None)
    trusted = trust(fresh, keys, snapshot=BOTH, latest=BOTH)
    assert choose_keys(alone, trusted.root, trusted.targets).signers == keys.signers
    for role in HOLDERS:
        trusted = trust(fresh, keys, **{role: NEXT})
        with pytest.raises(TrustError, match=f"keys new {role}"):
            choose_keys(alone, trusted.root, trusted.targets)


def test_describe_keys(fresh, keys):
    """A key's state shows its ids, which are listed and which sign; both log keys always sign."""
    trusted = trust(fresh, keys, latest=CURRENT, snapshot=BOTH, timestamp=NEXT, log=NEXT)
    states = {state.name: state for state in describe_keys(keys, trusted)}
    assert list(states) == ["latest", "snapshot", "timestamp", "log"]
    for role in ROLES:
        assert states[role].current == keys.signers[role].public_key.keyid
        assert states[role].following == keys.next_signers[role].public_key.keyid
    first, second = (str(key.verifier) for key in keys.log_keys)
    assert (states["log"].current, states["log"].following) == (first, second)
    latest, snapshot, timestamp, log = states.values()
    assert (latest.listed, latest.signing) == ((latest.current,), (latest.current,))
    assert snapshot.listed == (snapshot.current, snapshot.following)
    assert snapshot.signing == (snapshot.current,)
    assert (timestamp.listed, timestamp.signing) == ((timestamp.following,),) * 2
    assert (log.listed, log.signing) == ((second,), (first, second))
    nothing = describe_keys(dataclasses.replace(keys, next_signers={}, next_log=None), None)
    assert {(state.following, state.listed) for state in nothing} == {("", ())}


def test_plan_switch(fresh, keys):
    """A next key takes over once it is listed and caches have expired.

    If the former key cannot be used, or with `at_once`, caches do not matter.
    """
    names = ["timestamp", "snapshot"]
    early, unlisted = "less than 75 s", "does not list the next key of snapshot yet"
    for listed, age, at_once, message in (
        (CURRENT, 1e9, True, unlisted),
        (NEITHER, 1e9, True, unlisted),
        (BOTH, 74.9, False, early),
        (BOTH, -5, False, early),
        (BOTH, 75, False, ""),
        (BOTH, 0, True, ""),
        (NEXT, 0, False, ""),
    ):
        with case(listed, age, at_once):
            trusted = trust(fresh, keys, snapshot=listed, timestamp=listed)
            if message:
                with pytest.raises(PublishError, match=message):
                    plan_switch(keys, trusted, ["snapshot"], age, at_once=at_once)
            else:
                assert plan_switch(keys, trusted, names, age, at_once=at_once) == names[::-1]


def test_plan_switch_of_latest_and_the_log(fresh, keys):
    """The key of latest may switch immediately, the key of the log only after 75 s.

    Targets arrive together with the timestamp. A root names only one key of the log.
    """
    trusted = trust(fresh, keys, latest=BOTH, log=NEXT)
    assert plan_switch(keys, trusted, ["latest"], 0, at_once=False) == ["latest"]
    with pytest.raises(PublishError, match="next key of log is public for less than 75 s"):
        plan_switch(keys, trusted, ["log"], 74, at_once=False)
    assert plan_switch(keys, trusted, ["log"], 75, at_once=False) == ["log"]
    assert plan_switch(keys, trusted, ["log"], 0, at_once=True) == ["log"]
    trusted = trust(fresh, keys)
    for name in ("latest", "log"):
        with pytest.raises(PublishError, match=f"next key of {name} yet"):
            plan_switch(keys, trusted, [name], 1e9, at_once=True)


def test_plan_switch_skips_roles_without_a_next_key(fresh, keys):
    """Roles without a next key are skipped; if one may not switch, none does."""
    trusted = trust(fresh, keys, snapshot=NEXT)
    alone = dataclasses.replace(keys, next_signers={"snapshot": keys.next_signers["snapshot"]})
    assert plan_switch(alone, trusted, ROLES, 100, at_once=False) == ["snapshot"]
    with pytest.raises(PublishError, match="targets does not list the next key of latest"):
        plan_switch(keys, trusted, ROLES, 100, at_once=False)


def test_plan_next(fresh, keys):
    """Existing next keys are kept unless `afresh` is set.

    A next key that is listed alone is never replaced: the error names the switch command.
    """
    alone = dataclasses.replace(keys, next_signers={"snapshot": keys.next_signers["snapshot"]})
    alone = dataclasses.replace(alone, next_log=None)
    for trusted in (None, trust(fresh, keys), trust(fresh, keys, snapshot=BOTH)):
        assert plan_next(alone, trusted, HOLDERS, afresh=False) == ["snapshot"]
        assert plan_next(alone, trusted, ["log", "latest"], afresh=False) == []
        assert plan_next(alone, trusted, HOLDERS, afresh=True) == []
    trusted = trust(fresh, keys, snapshot=NEXT, log=NEXT)
    for afresh, rest in ((False, "`"), (True, " --at-once`")):
        with pytest.raises(
            PublishError, match=f"run `hening-server keys switch snapshot log{rest}"
        ):
            plan_next(keys, trusted, HOLDERS, afresh=afresh)
        assert plan_next(keys, trusted, ["latest"], afresh=afresh) == ([] if afresh else ["latest"])


def test_discard_and_promote_next(keys):
    """`discard_next` removes next keys, `promote_next` makes them current; others stay."""
    discarded = discard_next(keys, ["snapshot", "log"])
    assert discarded.next_signers.keys() == {"latest", "timestamp"}
    assert (discarded.signers, discarded.log_keys) == (keys.signers, (keys.log,))
    promoted = promote_next(keys, ["snapshot", "log"])
    assert promoted.signers == {**keys.signers, "snapshot": keys.next_signers["snapshot"]}
    assert promoted.next_signers.keys() == {"latest", "timestamp"}
    assert promoted.log_keys == (keys.next_log,)
    assert promote_next(discarded, ["snapshot", "log"]) == discarded


def test_check_signable(fresh, keys):
    """Signing needs listed keys, and a root and targets that are not expired."""
    trusted, now = trust(fresh, keys), fresh.now()
    check_signable(keys, trusted, now)
    with pytest.raises(TrustError, match="key for snapshot is not among"):
        check_signable(promote_next(keys, ["snapshot"]), trusted, now)
    # The ceremony's targets are valid for 90 days, its roots for 365 days.
    with pytest.raises(TrustError, match="targets 1 expired"):
        check_signable(keys, trusted, now + timedelta(days=91))
    with pytest.raises(TrustError, match="root 1 expired"):
        check_signable(keys, trusted, now + timedelta(days=366))
