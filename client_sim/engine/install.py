"""Installs a package into the inactive slot.

    1 locate the parts that the release states    2 check device and builds
    3 verify hashes and signatures                4 check the manifest
    5 compare with the running slot               6 write and check the new images

Nothing on the phone changes before step 6. The new slot becomes ready but not active: the phone
checks the pointer again before it calls `Slots.switch`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.apply import PartitionResult, Progress, check_sources, write_partitions
from client_sim.engine.errors import EngineError
from client_sim.engine.manifest_checks import Note, Rules, note_nothing
from client_sim.engine.package import (
    Layout,
    check_properties,
    decode_layout,
    load_verified_payload,
    open_package,
    verify_package_signature,
)
from client_sim.engine.package_metadata import PackageMetadata, check_fit, check_package_facts
from client_sim.engine.prefix import (
    Blocks,
    Edges,
    PackageDigests,
    Prefix,
    StreamState,
    check_prefix,
    check_streamable,
    read_head,
    resume_stream,
)
from client_sim.engine.signatures import load_certificate_key
from client_sim.engine.slots import Slots, check_images, create_images
from client_sim.engine.stream import StreamInstaller
from client_sim.world import BuildFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The required properties of a package.

    `sha256`, `property_files`, `payload_properties` and `facts` are those of the signed release,
    `certificate` is the PEM certificate in the phone's image, `codename` the device's.
    """

    sha256: str
    property_files: str
    payload_properties: Mapping[str, str]
    certificate: bytes
    facts: BuildFacts
    codename: str


def install_package(
    package_file: BinaryIO,
    slots: Slots,
    expected: Expected,
    *,
    progress: Progress | None = None,
    note: Note = note_nothing,
) -> tuple[PartitionResult, ...]:
    """Install the OTA zip in `package_file`, whose length and sha256 the caller has verified.

    `note` is called with each group of rules before it is checked. Returns the new partitions.
    Raises EngineError with the running slot untouched; after a crash or an error the same call can
    be repeated.
    """
    if (ready := slots.find_ready(expected.facts, expected.sha256)) is not None:
        return ready
    running = slots.running_build
    key = load_certificate_key(expected.certificate)
    package = open_package(
        package_file,
        property_files=expected.property_files,
        payload_properties=expected.payload_properties,
        note=note,
    )
    note(Rules.METADATA)
    _check_facts(package.metadata, expected, running)
    payload = load_verified_payload(package, key, note)
    verify_package_signature(package_file, key)
    note(Rules.PHONE)
    check_fit(payload.manifest, package.metadata, slots, running)
    check_sources(payload, slots.image_path)
    # This discards the content of the inactive slot, and nothing else.
    slots.begin_update()
    partitions = write_partitions(
        payload,
        slots.image_path,
        slots.target_directory,
        progress=progress,
        disk=slots.disk,
        note=note,
    )
    slots.finish_update(expected.facts, expected.sha256, partitions)
    return partitions


def install_stream(
    blocks: Blocks,
    slots: Slots,
    expected: Expected,
    *,
    progress: Progress | None = None,
    note: Note = note_nothing,
) -> tuple[PartitionResult, ...]:
    """Install the OTA zip in `blocks` while it is fetched.

    The other parameters are those of `install_package`; `progress` counts bytes of the package.
    After a crash or an error the same call continues with the block after the last durable one.
    Raises NotStreamableError if the package must be fetched whole, another EngineError if it is
    refused, and the errors of `blocks`; the running slot is untouched.
    """
    if (ready := slots.find_ready(expected.facts, expected.sha256)) is not None:
        return ready
    sha256, running = expected.sha256, slots.running_build
    key = load_certificate_key(expected.certificate)
    note(Rules.FILES)
    layout = decode_layout(expected.property_files, expected.payload_properties, blocks.length)
    check_streamable(layout)
    resumed = _resume(slots, sha256, layout, blocks.size, key, note)
    if resumed is None:
        note(Rules.HEADER)
        head, fetched = read_head(blocks, layout)
        prefix = check_prefix(head, layout, key, note)
        begun = PackageDigests.begin(head, layout, prefix.payload)
        state = StreamState(len(head), 0, bytearray(), begun, fetched=fetched)
        del fetched
    else:
        prefix, state = resumed
    note(Rules.METADATA)
    _check_facts(prefix.metadata, expected, running)
    note(Rules.PHONE)
    check_fit(prefix.payload.manifest, prefix.metadata, slots, running)
    check_sources(prefix.payload, slots.image_path)
    if resumed is None:
        slots.begin_update()
        create_images(prefix.payload.manifest, slots)
        slots.journal.begin(prefix.head)
    note(Rules.DATA)
    try:
        rest = StreamInstaller(blocks, slots, prefix, sha256, state).run(progress)
    except EngineError:
        # The wrong bytes may be in earlier blocks, which the journal says are done.
        if state.is_doubtful:
            slots.begin_update()
        raise
    try:
        # What could not be checked before the package's last byte.
        note(Rules.SIGNATURES)
        state.digests.verify(rest, sha256, layout, prefix.payload, key)
        check_properties(Edges(layout.length, prefix.head, rest), layout, note)
        note(Rules.IMAGES)
        partitions = check_images(prefix.payload.manifest, slots)
    except EngineError:
        # Nothing is kept, because it is unknown which bytes were wrong.
        slots.begin_update()
        raise
    slots.finish_update(expected.facts, sha256, partitions)
    slots.journal.clear()
    return partitions


def _check_facts(metadata: PackageMetadata, expected: Expected, running: BuildFacts) -> None:
    check_package_facts(
        metadata, codename=expected.codename, running=running, expected=expected.facts
    )


def _resume(
    slots: Slots,
    sha256: str,
    layout: Layout,
    block_size: int,
    key: rsa.RSAPublicKey,
    note: Note,
) -> tuple[Prefix, StreamState] | None:
    """Return the prefix and state of an interrupted update, or None if it cannot be resumed."""
    journal = slots.journal.load(sha256, layout.length) if slots.is_begun else None
    if journal is None:
        return None
    try:
        prefix = check_prefix(slots.journal.load_head(), layout, key, note)
        state = resume_stream(journal, prefix, slots, block_size)
    except EngineError:
        # Something on the phone's disk changed. Starting over is slow but always correct.
        return None
    return prefix, state
