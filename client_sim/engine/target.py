"""The inactive slot during an update: its images, and the old images they start from."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from client_sim.engine.apply import PartitionResult, describe_result, is_image
from client_sim.engine.errors import ApplyError
from client_sim.engine.manifest import Manifest
from client_sim.engine.operations import Step, TargetImage, Workers
from client_sim.engine.slots import Slots


def create_images(manifest: Manifest, slots: Slots) -> None:
    """Create an image of zeros for each partition in the inactive slot, durably."""
    folder = slots.target_directory
    for partition in manifest.partitions:
        slots.disk.create(folder / f"{partition.name}.img", partition.new.size).close()
    slots.disk.sync_directory(folder)


def are_created(manifest: Manifest, slots: Slots) -> bool:
    """Tell whether the images exist, in the sizes that `create_images` gives them."""
    paths = [
        (slots.target_directory / f"{partition.name}.img", partition.new.size)
        for partition in manifest.partitions
    ]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


@contextmanager
def opened_steps(manifest: Manifest, slots: Slots) -> Iterator[list[Step]]:
    """Open the images of all partitions and yield the steps in order."""
    folder = slots.target_directory
    with ExitStack() as stack:
        steps = []
        for partition in manifest.partitions:
            path = folder / f"{partition.name}.img"
            old = None
            if partition.old is not None:
                old = stack.enter_context(slots.image_path(partition.name).open("rb", buffering=0))
            new = stack.enter_context(path.open("r+b", buffering=0))
            image = TargetImage(partition, new, old)
            steps += [Step(operation, image) for operation in partition.operations]
        yield steps


def check_images(manifest: Manifest, slots: Slots) -> tuple[PartitionResult, ...]:
    """Read the new images back, several in parallel; raises ApplyError if a hash differs."""
    results = tuple(map(describe_result, manifest.partitions))
    folder = slots.target_directory

    def check(result: PartitionResult) -> None:
        if not is_image(folder / f"{result.name}.img", result.size, result.sha256):
            raise ApplyError(f"The new {result.name} is not what the package promises.")

    with Workers() as workers:
        for begun in [workers.start(partial(check, result), 0) for result in results]:
            begun.result()
    return results
