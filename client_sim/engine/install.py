"""A downloaded package, installed into the slot that does not run.

    1 parts where the release says    2 right device, right builds    3 hashes and signatures
    4 manifest                        5 fits the running slot         6 written and checked

Nothing on the phone changes before step 6. The new slot is left ready but not active: the phone
looks at the pointer once more before it calls `Slots.switch`.
"""

from collections.abc import Mapping
from typing import BinaryIO

from client_sim.engine.apply import PartitionResult, Progress, check_sources, write_partitions
from client_sim.engine.build import BuildFacts
from client_sim.engine.fit import check_fit
from client_sim.engine.package import (
    load_verified_payload,
    open_package,
    verify_package_signature,
)
from client_sim.engine.package_metadata import check_package_facts
from client_sim.engine.rules import Note, Rules, note_nothing
from client_sim.engine.signatures import load_certificate_key
from client_sim.engine.slots import Slots


def install_package(
    package_file: BinaryIO,
    slots: Slots,
    *,
    sha256: str,
    property_files: str,
    payload_properties: Mapping[str, str],
    certificate: bytes,
    facts: BuildFacts,
    codename: str,
    progress: Progress | None = None,
    note: Note = note_nothing,
) -> tuple[PartitionResult, ...]:
    """Install the OTA zip in `package_file`, whose length and `sha256` the caller has verified.

    `property_files`, `payload_properties` and `facts` are those of the signed release,
    `certificate` the PEM certificate in the phone's image, `codename` the device's. `note` is
    told which rules are asked. Returns the new partitions. Raises EngineError with the running slot
    untouched; after a crash or an error the same call may simply be made again.
    """
    if (ready := slots.find_ready(facts, sha256)) is not None:
        return ready
    running = slots.running_build
    key = load_certificate_key(certificate)
    package = open_package(
        package_file,
        property_files=property_files,
        payload_properties=payload_properties,
        note=note,
    )
    note(Rules.METADATA)
    check_package_facts(package.metadata, codename=codename, running=running, expected=facts)
    payload = load_verified_payload(package, key, note)
    verify_package_signature(package_file, key)
    note(Rules.PHONE)
    check_fit(payload.manifest, package.metadata, slots, running)
    check_sources(payload, slots.image_path)
    # From here on the other slot is given up, and only that.
    slots.begin_update()
    partitions = write_partitions(
        payload,
        slots.image_path,
        slots.target_directory,
        progress=progress,
        disk=slots.disk,
        note=note,
    )
    slots.finish_update(facts, sha256, partitions)
    return partitions
