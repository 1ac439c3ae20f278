"""Makes phones like a factory: an image, a first build in slot a, and optionally an owner."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from client_sim.device.candidate import METADATA, PROPERTIES, read_pairs
from client_sim.device.errors import InstallError, StateError, StorageError
from client_sim.device.image import Image, write_image
from client_sim.device.phone import Phone
from client_sim.device.release import DECIMAL
from client_sim.device.trust import Trust
from client_sim.engine.apply import write_partitions
from client_sim.engine.errors import EngineError
from client_sim.engine.package import Package, load_verified_payload, open_package
from client_sim.engine.signatures import load_certificate_key
from client_sim.engine.slots import Slots
from client_sim.persona import Persona, encode_persona
from client_sim.world import BuildFacts


def create_phone(
    directory: Path,
    image: Image,
    *,
    images: Mapping[str, Path],
    build: BuildFacts,
    persona: Persona | None = None,
) -> Phone:
    """Make a phone that runs `build`, whose partition images are `images`, in a new folder.

    The owner's data goes to `personal/`. Raises DeviceError and then removes the folder.
    """
    if directory.exists():
        raise StateError(f"{directory} exists already; choose a new folder for the phone.")
    # Checked before anything is written: a phone with an invalid root could never poll.
    Trust(image.root, {}, now=0.0, built_at=image.facts.built_at)
    with _translated(), ExitStack() as undo:
        directory.mkdir(parents=True)
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        write_image(directory / "image", image)
        if persona is not None:
            (directory / "personal").mkdir()
            (directory / "personal" / "persona.json").write_bytes(encode_persona(persona))
        Slots(directory / "slots").flash_factory(images, build)
        undo.pop_all()
    return Phone(directory)


def create_phone_from_package(
    directory: Path,
    image: Image,
    package: Path,
    *,
    counter: int,
    persona: Persona | None = None,
) -> Phone:
    """Make a phone that runs the build in the full OTA zip `package`, release number `counter`.

    The zip's signature is checked with the image's certificate. Raises DeviceError and then
    removes the folder.
    """
    unpacked = directory.with_name(directory.name + ".unpacked")
    if unpacked.exists():
        raise StateError(f"{unpacked} exists already; remove it.")
    with _translated(), ExitStack() as undo:
        unpacked.mkdir(parents=True)
        undo.callback(shutil.rmtree, unpacked, ignore_errors=True)
        images, build = _unpack(package, unpacked, image, counter)
        return create_phone(directory, image, images=images, build=build, persona=persona)


def _unpack(
    path: Path, target: Path, image: Image, counter: int
) -> tuple[dict[str, Path], BuildFacts]:
    values = read_pairs(path, METADATA)
    with path.open("rb") as file:
        package = open_package(
            file,
            property_files=values.get("ota-streaming-property-files", ""),
            payload_properties=read_pairs(path, PROPERTIES),
        )
        _check_factory_package(package, image)
        payload = load_verified_payload(package, load_certificate_key(image.ota_certificate))
        partitions = write_partitions(payload, _has_no_source, target)
    build = BuildFacts(
        fingerprint=values.get("post-build", ""),
        incremental=values.get("post-build-incremental", ""),
        counter=counter,
        post_timestamp=int(values.get("post-timestamp", "0")),
        security_patch_level=values.get("post-security-patch-level", ""),
    )
    return {p.name: target / f"{p.name}.img" for p in partitions}, build


def _check_factory_package(package: Package, image: Image) -> None:
    if package.metadata.is_incremental:
        raise InstallError("A phone is made from a full package, but this one is incremental.")
    if image.facts.codename not in package.metadata.pre_devices:
        raise InstallError(f"The package is for another model than {image.facts.codename}.")
    if not DECIMAL.fullmatch(package.metadata.values.get("post-timestamp", "")):
        raise InstallError("The package does not say when its build was made.")


def _has_no_source(partition: str) -> Path:
    raise InstallError(f"The package needs an old {partition}, which a new phone does not have.")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        raise InstallError(str(error)) from error
    except OSError as error:
        raise StorageError(f"The phone cannot be written: {error}.") from error
