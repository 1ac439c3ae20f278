"""Attacks with valid files of other times: mix and match, rollback."""

import functools

from tuf.api.metadata import MetaFile

from client_sim.device.errors import LogError, TrustError
from tests.attacks.attack_list import add, attack, publish
from tests.client_sim.device import shop

# Mix and match: valid files of different times.


def _swap(attacked, role):
    publish(attacked, "targets", "armani", "latest")
    files = attacked.repository.files
    current = attacked.repository.signed[role].version
    files[f"/metadata/{current}.{role}.json"] = files[f"/metadata/1.{role}.json"]


add(
    "mix and match: an older role",
    {
        role: functools.partial(_swap, role=role)
        for role in ("snapshot", "targets", "latest", "armani")
    },
    TrustError,
)


@attack("mix and match", LogError)
def _the_proof_of_another_version(attacked):
    publish(attacked)
    repository = attacked.repository
    version = repository.signed["armani"].version
    repository.files[f"/log/proof/armani.{version}"] = repository.files["/log/proof/armani.1"]


@attack("mix and match", LogError)
def _the_proof_of_another_role(attacked):
    repository = attacked.repository
    version = repository.signed["armani"].version
    repository.files[f"/log/proof/armani.{version}"] = repository.files[
        f"/log/proof/latest.{repository.signed['latest'].version}"
    ]


# Rollback: the phone has seen newer files.


@attack("rollback", result="nothing")
def _an_older_timestamp(attacked):
    old = attacked.repository.files["/metadata/timestamp.json"]
    publish(attacked)
    attacked.poll()
    attacked.repository.files["/metadata/timestamp.json"] = old


@attack("rollback", TrustError)
def _an_older_snapshot_in_a_new_timestamp(attacked):
    repository = attacked.repository
    publish(attacked)
    attacked.poll()
    repository.signed["timestamp"].version += 1
    repository.signed["timestamp"].snapshot_meta = MetaFile(1)
    repository.files["/metadata/timestamp.json"] = repository.sign("timestamp")


def _roll_back(attacked, role):
    repository = attacked.repository
    repository.publish("targets", "armani", "latest", "tables")
    attacked.poll()
    meta = repository.signed["snapshot"].meta
    meta[f"{role}.json"] = MetaFile(1)
    repository.publish()
    yield
    meta[f"{role}.json"] = MetaFile(repository.signed[role].version)


add(
    "rollback: an older role in a new snapshot",
    {
        role: functools.partial(_roll_back, role=role)
        for role in ("targets", "latest", "armani", "tables")
    },
    TrustError,
)


@attack("rollback", result="nothing")
def _a_pointer_to_the_build_that_runs(attacked):
    shop.announce(attacked.repository, 0, [shop.add_package(attacked.repository, 0)])
