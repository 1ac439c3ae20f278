"""Compares the partitions that packages write and patch with the full packages of their builds.

An incremental patches the partitions of its source build and carries their hashes. A phone with
other partitions refuses it, but only after the download; given the source build's full package,
the signer detects that earlier. All packages of a build must lead to the same partitions, or two
phones of one build would run different systems.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tuf.api.metadata import Targets

from server.core.encodings import MAX_INTEGER
from server.core.names import decode_release_path
from server.core.release import Release
from signer.errors import ReleaseRefusal
from signer.ota.errors import show_name, show_names
from signer.ota.summary import OtaFacts


@dataclass(frozen=True, slots=True)
class FullPackages:
    """The full packages that a model's role lists, and the model's factory builds."""

    codename: str
    current: Targets
    releases: Mapping[str, Release]
    factory_builds: AbstractSet[str]

    def of_build(self, fingerprint: str) -> dict[str, str]:
        """Return sha256 to path of the full packages of a build, withdrawn ones included."""
        return {
            self.current.targets[path].hashes["sha256"]: path
            for path, release in self.releases.items()
            if release.type == "full" and release.fingerprint == fingerprint
        }

    def before(self, fingerprint: str, region: str) -> set[str]:
        """Return the fingerprints of the region's listed builds with a lower counter."""
        own = min(
            (each.counter for each in self.releases.values() if each.fingerprint == fingerprint),
            default=MAX_INTEGER,
        )
        return {
            release.fingerprint
            for path, release in self.releases.items()
            if release.counter < own and decode_release_path(path)[0].region == region
        }


def find_full(build: str, packages: Sequence[OtaFacts]) -> OtaFacts | None:
    """Return the full package of the build with the fingerprint `build`, if `packages` has it."""
    return next(
        (each for each in packages if each.type == "full" and each.fingerprint == build), None
    )


def check_full_listed(full: OtaFacts, listed: FullPackages) -> OtaFacts:
    """Return `full`; raises ReleaseRefusal unless it is the file that phones of its build got.

    It must be a listed file; for a factory build that is not listed, any file is accepted.
    """
    known = listed.of_build(full.fingerprint)
    if full.sha256 in known or (not known and full.fingerprint in listed.factory_builds):
        return full
    if known:
        raise ReleaseRefusal(
            f"{full.shown} is of build {show_name(full.fingerprint)}, but is not the listed"
            f" package {show_name(min(known.values()))}; give that one with --source."
        )
    raise ReleaseRefusal(
        f"{full.shown} is of build {show_name(full.fingerprint)}, for which {listed.codename} lists"
        " no full package; sign it first, or state with --factory-build that phones left the"
        " factory with that build."
    )


def check_source_bytes(facts: OtaFacts, full: OtaFacts, listed: FullPackages) -> None:
    """Raise ReleaseRefusal unless the incremental starts from the partitions that `full` writes.

    `full` must be the listed package of its build.
    """
    check_full_listed(full, listed)
    written = {partition.name: partition for partition in full.partitions}
    for partition in facts.partitions:
        if not partition.source_sha256:
            continue
        source = written.get(partition.name)
        if source is None:
            raise ReleaseRefusal(
                f"{facts.shown} patches the partition {partition.name}, which"
                f" {full.shown} does not have; build it from the target files of that build."
            )
        if (source.size, source.sha256) != (partition.source_size, partition.source_sha256):
            raise ReleaseRefusal(
                f"{facts.shown} patches another {partition.name} than {full.shown} writes;"
                " build it from the target files of that same build."
            )


def check_left_out(facts: OtaFacts, older: OtaFacts, listed: FullPackages) -> None:
    """Raise ReleaseRefusal when the package lacks a partition that the full package `older` writes.

    `older` must be the listed package of its build. A phone that runs the older build refuses such
    a package, but only after the download.
    """
    check_full_listed(older, listed)
    written = {partition.name for partition in facts.partitions}
    names = [each.name for each in older.partitions if each.name not in written]
    if names:
        raise ReleaseRefusal(
            f"{facts.shown} leaves out {show_names(names)}, which {older.shown} writes; phones of"
            " that build refuse it, so build it with every partition."
        )


def check_same_partitions(facts: OtaFacts, other: OtaFacts) -> None:
    """Raise ReleaseRefusal unless two packages of one build lead to the same partitions."""
    ours, theirs = (
        {each.name: (each.size, each.sha256) for each in package.partitions}
        for package in (facts, other)
    )
    names = sorted(name for name in ours | theirs if ours.get(name) != theirs.get(name))
    if names:
        raise ReleaseRefusal(
            f"{facts.shown} leads to another {show_names(names)} than {other.shown};"
            " build both from the target files of the same build."
        )


def check_sources_used(
    packages: Sequence[OtaFacts], sources: Sequence[OtaFacts], before: AbstractSet[str]
) -> None:
    """Raise ReleaseRefusal for a package of `sources` that no package is compared with.

    A source is the full package of a build that an incremental starts from. If `packages` has no
    full package, it may also be that of the target build; otherwise, that of a build in `before`.
    """
    compared = {source for facts in packages for source in facts.source_builds}
    if any(facts.type == "full" for facts in packages):
        compared |= before
    else:
        compared |= {facts.fingerprint for facts in packages}
    for each in sources:
        if each.type != "full" or each.fingerprint not in compared:
            raise ReleaseRefusal(
                f"{each.shown} is the full package of no build that these packages could start"
                " from; omit it, or give the right one with --source."
            )
