"""Attacks with some of the repository's keys."""

import functools

from client_sim.device.errors import AgreementError, InstallError, LogError, TrustError
from tests.attacks.attack_list import add, attack, foreign_signer, publish
from tests.attacks.attacked_phone import make_certificate
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import Log, make_pointer, make_step

# Fast-forward: versions that leave no room for a higher one.


@attack("fast-forward", result="installs")
def _online_roles_ahead_until_their_keys_change(attacked):
    repository = attacked.repository
    names = ("timestamp", "snapshot", "latest")
    before = {name: repository.signed[name].version for name in names}
    for name in names:
        repository.signed[name].version = 10**9
    publish(attacked, "latest")
    attacked.poll()
    yield
    for name, version in before.items():
        repository.signed[name].version = version + 1
    publish(attacked, "latest")
    stuck = attacked.phone.poll()
    assert (stuck.failure, stuck.changed) == (None, False)
    assert "older than 10000000" in stuck.warnings[0]
    for name in ("timestamp", "snapshot"):
        repository.set_keys(name, foreign_signer())
    repository.signers["latest"] = foreign_signer()
    repository.delegate()
    repository.publish_root()
    publish(attacked, "targets", "latest")
    attacked.remember_signers()


@attack("fast-forward", TrustError)
def _a_version_above_the_limit(attacked):
    repository = attacked.repository
    version = repository.signed["timestamp"].version
    repository.signed["timestamp"].version = 2**53
    repository.publish_timestamp()
    yield
    repository.signed["timestamp"].version = version


# Vulnerability to key compromises: what a thief of some keys can do.


def _sign_as(attacked, role, thief):
    """Sign a role with keys that belong to another role."""
    attacked.repository.signers[role] = attacked.repository.signers[thief]
    publish(attacked, role)


_OFFERING = ("timestamp", "snapshot", "targets", "latest", "armani")
for _role in _OFFERING:
    add(
        f"key compromise: the keys of another role sign {_role}",
        {
            thief: functools.partial(_sign_as, role=_role, thief=thief)
            for thief in (*_OFFERING, "content", "tables")
            if thief != _role
        },
        TrustError,
    )


@attack("key compromise", TrustError)
def _one_root_key_of_two(attacked):
    repository = attacked.repository
    repository.set_keys("timestamp", foreign_signer())
    both = repository.signers["root"]
    repository.signers["root"] = both[:1]
    repository.publish_root()
    yield
    repository.signers["root"] = both
    repository.signed["root"].version -= 1
    repository.publish_root()
    attacked.remember_signers()


@attack("key compromise", AgreementError)
def _all_online_keys_and_an_unlisted_package(attacked):
    link = shop.add_package(attacked.repository, 1)
    attacked.announce({**link, "x": "0" * 64})


@attack("key compromise", AgreementError)
def _all_online_keys_and_a_withdrawn_package(attacked):
    attacked.announce(shop.add_package(attacked.repository, 1, withdrawn=True))


@attack("key compromise", AgreementError)
def _all_online_keys_and_another_counter(attacked):
    link = shop.add_package(attacked.repository, 1)
    build = shop.facts(1)
    step = make_step(9, [link], t=build.post_timestamp, l=build.security_patch_level)
    attacked.repository.point(make_pointer([step]))
    publish(attacked)


@attack("key compromise", LogError)
def _all_online_keys_but_the_logs(attacked):
    log, attacked.repository.log = attacked.repository.log, Log()
    attacked.repository.log.key, attacked.repository.log.name = Log().key, log.name
    publish(attacked, "latest")
    yield
    attacked.repository.log = log


@attack("key compromise", InstallError)
def _all_keys_but_the_one_for_packages(attacked):
    ours = attacked.folder / "image" / "ota.pem"
    kept = ours.read_bytes()
    ours.write_bytes(make_certificate())
    yield
    ours.write_bytes(kept)


@attack("key compromise", InstallError)
def _all_keys_and_a_broken_file_signature(attacked):
    data = shop.package(1)
    # In the signature itself, in front of the six bytes that end the comment.
    data = data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]
    attacked.announce(shop.add_data(attacked.repository, data, 1))


@attack("key compromise", result="nothing")
def _the_models_keys_and_no_online_key(attacked):
    attacked.repository.signed["latest"].targets.clear()
    publish(attacked)
