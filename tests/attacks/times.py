"""Attacks with valid files of other times: mix and match, rollback."""

from tuf.api.metadata import MetaFile

from client_sim.device.errors import (
    LogError,
    TrustError,
)
from tests.attacks.attack_list import add, attack, publish
from tests.client_sim.device import shop

# Mix and match: valid files of different times.


def _swap(besieged, role, *, first=1):
    repository = besieged.repository
    publish(besieged, "targets", "armani", "latest")
    current = repository.signed[role].version
    name = f"/metadata/{current}.{role}.json"
    besieged.repository.files[name] = repository.files[f"/metadata/{first}.{role}.json"]


for _role in ("snapshot", "targets", "latest", "armani"):
    add(
        f"mix and match: an older {_role}",
        lambda besieged, role=_role: _swap(besieged, role),
        TrustError,
    )


@attack("mix and match", LogError)
def _the_proof_of_another_version(besieged):
    publish(besieged)
    repository = besieged.repository
    version = repository.signed["armani"].version
    repository.files[f"/log/proof/armani.{version}"] = repository.files["/log/proof/armani.1"]


@attack("mix and match", LogError)
def _the_proof_of_another_role(besieged):
    repository = besieged.repository
    version = repository.signed["armani"].version
    repository.files[f"/log/proof/armani.{version}"] = repository.files[
        f"/log/proof/latest.{repository.signed['latest'].version}"
    ]


# Rollback: the phone has seen newer files.


@attack("rollback", result="nothing")
def _an_older_timestamp(besieged):
    old = besieged.repository.files["/metadata/timestamp.json"]
    publish(besieged)
    besieged.poll()
    besieged.repository.files["/metadata/timestamp.json"] = old


@attack("rollback", TrustError)
def _an_older_snapshot_in_a_new_timestamp(besieged):
    repository = besieged.repository
    publish(besieged)
    besieged.poll()
    repository.signed["timestamp"].version += 1
    repository.signed["timestamp"].snapshot_meta = MetaFile(1)
    repository.files["/metadata/timestamp.json"] = repository.sign("timestamp")


for _role in ("targets", "latest", "armani", "tables"):

    def _roll_back(besieged, role=_role):
        repository = besieged.repository
        repository.publish("targets", "armani", "latest", "tables")
        besieged.poll()
        meta = repository.signed["snapshot"].meta
        meta[f"{role}.json"] = MetaFile(1)
        repository.publish()
        yield
        meta[f"{role}.json"] = MetaFile(repository.signed[role].version)

    add(f"rollback: an older {_role} in a new snapshot", _roll_back, TrustError)


@attack("rollback", result="nothing")
def _a_pointer_to_the_build_that_runs(besieged):
    shop.announce(besieged.repository, 0, [shop.add_package(besieged.repository, 0)])
