"""Whether a package that is sound in itself may be installed on this phone."""

from client_sim.engine.build import BuildFacts
from client_sim.engine.errors import ApplyError, PackageError
from client_sim.engine.manifest import Manifest
from client_sim.engine.package_metadata import PackageMetadata
from client_sim.engine.slots import Slots


def check_fit(
    manifest: Manifest, metadata: PackageMetadata, slots: Slots, running: BuildFacts
) -> None:
    """Check that the payload is what the metadata says, leads forward, and leaves nothing out.

    Raises PackageError, and ApplyError if a partition of this phone would be left out.
    """
    if manifest.is_delta != metadata.is_incremental:
        raise PackageError("The package's metadata and payload disagree about being incremental.")
    if manifest.max_timestamp < running.post_timestamp:
        raise PackageError("The payload is older than the running build.")
    level = manifest.security_patch_level
    if level and level < running.security_patch_level:
        raise PackageError("The payload has an older security patch level than the running build.")
    state = slots.state
    updated = {partition.name for partition in manifest.partitions}
    for partition in state.slots[state.running].partitions:
        if partition.name not in updated:
            raise ApplyError(
                f"The package leaves out the partition {partition.name} of this phone."
            )
