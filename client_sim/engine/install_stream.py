"""A package installed while it is fetched, block after block, never held whole.

    1 the blocks before the data       2 who it is for, METADATA_HASH, metadata signature, manifest
    3 fits the running slot            4 the other slot is given up, the journal begun
    5 data, operations, journal        6 hashes and signatures of the whole, the rest's parts
    7 images read back                 8 the slot marked complete, the journal forgotten

Nothing on the phone changes before step 4, and the other slot cannot be booted before step 8. The
manifest that step 2 has verified holds the hash of each operation's data, so nothing else is
written in step 5. A crash in step 5 costs the block under way. The new slot is left ready but not
active: the phone looks at the pointer once more before it calls `Slots.switch`.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.apply import PartitionResult, Progress, check_sources
from client_sim.engine.blocks import Blocks
from client_sim.engine.build import BuildFacts
from client_sim.engine.edges import Edges
from client_sim.engine.errors import EngineError
from client_sim.engine.fit import check_fit
from client_sim.engine.front import Front, check_front, check_streamable, read_head
from client_sim.engine.package import Layout, check_properties, decode_layout
from client_sim.engine.package_digests import PackageDigests
from client_sim.engine.package_metadata import check_package_facts
from client_sim.engine.passage import Passage, resume_passage
from client_sim.engine.rules import Note, Rules, note_nothing
from client_sim.engine.signatures import load_certificate_key
from client_sim.engine.slots import Slots
from client_sim.engine.stream import StreamInstaller
from client_sim.engine.target import check_images, create_images


def install_stream(
    blocks: Blocks,
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
    """Install the OTA zip that `blocks` give and whose signed sha256 is `sha256`.

    The other parameters are those of `install_package`; `progress` counts bytes of the package.
    After a crash or an error the same call goes on with the block after the last durable one.
    Raises NotStreamableError if the package must be fetched whole, another EngineError if it is
    refused, and whatever `blocks` raise; the running slot is untouched.
    """
    if (ready := slots.find_ready(facts, sha256)) is not None:
        return ready
    running = slots.running_build
    key = load_certificate_key(certificate)
    note(Rules.FILES)
    layout = decode_layout(property_files, payload_properties, blocks.length)
    check_streamable(layout)
    resumed = _resume(slots, sha256, layout, blocks.size, key, note)
    if resumed is None:
        note(Rules.HEADER)
        head, fetched = read_head(blocks, layout)
        front = check_front(head, layout, key, note)
        passage = Passage.begin(front, layout, fetched)
        del fetched
    else:
        front, passage = resumed
    note(Rules.METADATA)
    check_package_facts(front.metadata, codename=codename, running=running, expected=facts)
    note(Rules.PHONE)
    check_fit(front.payload.manifest, front.metadata, slots, running)
    check_sources(front.payload, slots.image_path)
    if resumed is None:
        slots.begin_update()
        create_images(front.payload.manifest, slots)
        slots.journal.begin(front.head)
    note(Rules.DATA)
    try:
        rest = StreamInstaller(blocks, slots, front, sha256, passage).run(progress)
    except EngineError:
        # Bytes of earlier blocks, which the journal counts, may be the wrong ones.
        if passage.is_doubtful:
            slots.begin_update()
        raise
    try:
        _check_rest(rest, front, layout, passage.digests, sha256, key, note)
        note(Rules.IMAGES)
        partitions = check_images(front.payload.manifest, slots)
    except EngineError:
        # Nothing of it is kept: which of the bytes were the wrong ones cannot be known.
        slots.begin_update()
        raise
    slots.finish_update(facts, sha256, partitions)
    slots.journal.clear()
    return partitions


def _resume(
    slots: Slots,
    sha256: str,
    layout: Layout,
    block_size: int,
    key: rsa.RSAPublicKey,
    note: Note,
) -> tuple[Front, Passage] | None:
    """Return what an interrupted update left, None if there is nothing that can be gone on with."""
    journal = slots.journal.load(sha256, layout.length) if slots.is_begun else None
    if journal is None:
        return None
    try:
        front = check_front(slots.journal.load_head(), layout, key, note)
        passage = resume_passage(journal, front, slots, block_size)
    except EngineError:
        # Something on the phone's disk changed. Starting over is slow and always right.
        return None
    return front, passage


def _check_rest(
    rest: bytes,
    front: Front,
    layout: Layout,
    digests: PackageDigests,
    sha256: str,
    key: rsa.RSAPublicKey,
    note: Note,
) -> None:
    """Check everything that could not be checked before the package's last byte."""
    note(Rules.SIGNATURES)
    digests.verify(rest, sha256, layout, front.payload, key)
    check_properties(Edges(layout.length, front.head, rest), layout, note)
