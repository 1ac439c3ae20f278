from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.core.errors import ProfileError
from server.core.note import VerifierKey
from signer.ceremony.changes import plan_online
from signer.ceremony.plan import decode_online_keys
from signer.errors import CeremonyError
from signer.keys.public_key import make_tuf_key
from signer.signing import load_trusted
from signer.work_folder import WorkFolder


def public(seed) -> bytes:
    """Return the public half of the key of a seed."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key().public_bytes_raw()


@pytest.fixture
def online(online_file):
    """Return the online keys that the repository names."""
    return decode_online_keys(online_file)


@pytest.fixture
def plan(repo, now):
    """Return what plans other online keys for the repository."""
    trusted = load_trusted(WorkFolder(repo), None)

    def planning(online, *, overlap=False):
        return plan_online(
            trusted.root, trusted.targets, online, overlap=overlap, expiry_days={}, now=now
        )

    return planning


def test_a_planned_rotation_names_old_and_new(plan, online) -> None:
    """Both keys of snapshot may sign for as long as caches hold the root before."""
    new = replace(online, snapshot=public(9).hex())
    (root,) = plan(new, overlap=True).values()
    assert root.roles["snapshot"].keyids == [
        make_tuf_key(key).keyid for key in (online.snapshot, new.snapshot)
    ]
    assert root.roles["snapshot"].threshold == 1
    assert root.roles["timestamp"].keyids == [make_tuf_key(online.timestamp).keyid]


def test_after_a_theft_the_old_key_goes_at_once(plan, online) -> None:
    """Root names the new key alone, and no longer holds the old one."""
    new = replace(online, snapshot=public(9).hex(), timestamp=public(8).hex())
    (root,) = plan(new).values()
    assert root.roles["snapshot"].keyids == [make_tuf_key(new.snapshot).keyid]
    assert make_tuf_key(online.snapshot).keyid not in root.keys
    assert make_tuf_key(online.timestamp).keyid not in root.keys


def test_latest_is_named_by_targets(plan, online) -> None:
    """Root stays as it is."""
    planned = plan(replace(online, latest=public(7).hex()))
    assert list(planned) == ["targets"]
    assert planned["targets"].delegations.roles["latest"].keyids == [
        make_tuf_key(public(7).hex()).keyid
    ]


def test_the_log_has_one_key(plan, online) -> None:
    """Also in an overlap: the server signs each checkpoint with both keys then."""
    log = VerifierKey(online.log.name, public(6))
    (root,) = plan(replace(online, log=log), overlap=True).values()
    assert root.unrecognized_fields["custom"]["log"] == str(log)


def test_the_same_keys_change_nothing(plan, online) -> None:
    """A ceremony for nothing is refused."""
    with pytest.raises(CeremonyError, match="named already"):
        plan(online)


def test_a_point_of_small_order_is_refused(plan, online) -> None:
    """The enrolment check holds for the server's keys, too."""
    with pytest.raises(ProfileError):
        plan(replace(online, snapshot="01" + "00" * 31))
