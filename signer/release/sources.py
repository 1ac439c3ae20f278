"""Compares what an incremental starts from with the full package of that build.

An incremental patches the partitions of its source build and carries their hashes; a phone whose
partitions are others refuses it, but only after the download. With the source build's full package
at hand the signer sees it first.
"""

from collections.abc import Sequence

from signer.errors import ReleaseRefusal
from signer.ota.facts import OtaFacts


def find_full(source: str, packages: Sequence[OtaFacts]) -> OtaFacts | None:
    """Return the full package of the build with the fingerprint `source`, if it is at hand."""
    return next(
        (each for each in packages if each.type == "full" and each.fingerprint == source), None
    )


def check_source_bytes(facts: OtaFacts, full: OtaFacts) -> None:
    """Raise ReleaseRefusal unless the incremental starts from the partitions that `full` writes."""
    written = {partition.name: partition for partition in full.partitions}
    for partition in facts.partitions:
        if not partition.source_sha256:
            continue
        source = written.get(partition.name)
        if source is None:
            raise ReleaseRefusal(
                f"{facts.path.name} patches the partition {partition.name}, which"
                f" {full.path.name} does not have; build it from the target files of that build."
            )
        if (source.size, source.sha256) != (partition.source_size, partition.source_sha256):
            raise ReleaseRefusal(
                f"{facts.path.name} patches another {partition.name} than {full.path.name} writes;"
                " build it from the target files of that very build."
            )


def check_sources_used(packages: Sequence[OtaFacts], sources: Sequence[OtaFacts]) -> None:
    """Raise ReleaseRefusal when a package of `sources` is the full package of no source build."""
    starts = {source for facts in packages for source in facts.source_builds}
    for each in sources:
        if each.type != "full" or each.fingerprint not in starts:
            raise ReleaseRefusal(
                f"{each.path.name} is the full package of no build that an incremental here starts"
                " from; leave it away, or give the right one with --source."
            )
