"""The partitions of a made-up build, whose octets follow from its name."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from client_sim.world import RunningBuild

BLOCK: Final = 4096
"""Octets of a block; a partition is whole blocks."""

SDK_LEVEL: Final = 34
_OVERHEAD: Final = 4096  # octets of a package beside its images, about


@dataclass(frozen=True, slots=True)
class MadeBuild:
    """A build of `codename` with `images` by partition: `boot` compresses well, `system` not."""

    codename: str
    facts: RunningBuild
    images: Mapping[str, bytes]


def make_build(codename: str, counter: int, made: int, size: int) -> MadeBuild:
    """Return build `counter` of a model, made at epoch second `made`.

    Its package has about `size` octets, and one block of `system` at least.
    """
    facts = RunningBuild(
        fingerprint=f"Hening/{codename}/{codename}:14/FLEET/{counter}:user/release-keys",
        incremental=str(counter),
        counter=counter,
        post_timestamp=made,
        security_patch_level=f"{datetime.fromtimestamp(made, UTC):%Y-%m-05}",
    )
    seed = f"hening fleet build {codename} {counter}".encode()
    blocks = max(1, (size - _OVERHEAD) // BLOCK)
    text = f"{facts.fingerprint}\n".encode()
    images = {
        "boot": (text * (2 * BLOCK // len(text) + 1))[: 2 * BLOCK],
        "system": hashlib.shake_256(seed).digest(blocks * BLOCK),
    }
    return MadeBuild(codename, facts, images)


def write_images(builds: Iterable[MadeBuild], folder: Path) -> dict[str, dict[str, Path]]:
    """Write the partitions of all builds into a new folder; by fingerprint and partition."""
    written: dict[str, dict[str, Path]] = {}
    for build in builds:
        place = folder / f"{build.codename}-{build.facts.counter}"
        place.mkdir(parents=True)
        files = {name: place / f"{name}.img" for name in build.images}
        for name, file in files.items():
            file.write_bytes(build.images[name])
        written[build.facts.fingerprint] = files
    return written
