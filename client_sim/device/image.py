"""The ROM image of a phone on disk, written by the factory and never changed.

image/image.json         model, region, channel and server; canonical JSON
image/root.json          the TUF root
image/ota.pem            the certificate that verifies packages
image/authority.pem      the authority that verifies the server's TLS certificate
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from client_sim.device.errors import StateError, StorageError
from client_sim.device.release import MAX_INTEGER, REGION, is_codename

_LIMIT: Final = 1024 * 1024
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]+(?:\.[a-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Model, region, channel, server and build date (epoch seconds); `tls` false on loopback."""

    codename: str
    region: str
    channel: str
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    tls: bool
    built_at: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    schema: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Image:
    """The facts of an image, its root, its OTA certificate and its certificate authority."""

    facts: ImageFacts
    root: bytes
    ota_certificate: bytes
    authority: str | None


def encode_facts(facts: ImageFacts) -> bytes:
    """Encode the facts as the bytes of `image.json`."""
    return msgspec.json.encode(facts, order="sorted") + b"\n"


def decode_facts(data: bytes) -> ImageFacts:
    """Decode the bytes of `image.json`; raises StateError for any other encoding."""
    damaged = StateError("The phone's image.json is damaged.")
    if len(data) > _LIMIT:
        raise damaged
    try:
        facts = msgspec.json.decode(data, type=ImageFacts)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise damaged from None
    if encode_facts(facts) != data:
        raise damaged
    check_facts(facts)
    return facts


def is_host(text: str) -> bool:
    """Tell whether `text` is a host name that a phone can poll."""
    return _HOST.fullmatch(text) is not None


def check_facts(facts: ImageFacts) -> None:
    """Check that the names are well-formed; raises StateError."""
    if not is_codename(facts.codename):
        raise StateError(f"{facts.codename!r} is not a valid codename.")
    if not REGION.fullmatch(facts.region) or not REGION.fullmatch(facts.channel):
        raise StateError("A region or channel must be 1 to 16 of a-z, 0-9 and -.")
    if not is_host(facts.host):
        raise StateError(f"{facts.host!r} is not a host name that a phone can poll.")


def load_image(directory: Path) -> Image:
    """Read the image in `directory`; raises StateError, StorageError."""
    if not directory.parent.is_dir():
        raise StorageError(
            f"There is no folder {directory.parent}; make a phone with hening-device create."
        )
    if not (directory / "image.json").is_file():
        raise StateError(
            f"There is no phone in {directory.parent}; make one with hening-device create."
        )
    authority = directory / "authority.pem"
    try:
        return Image(
            facts=decode_facts(_read(directory / "image.json")),
            root=_read(directory / "root.json"),
            ota_certificate=_read(directory / "ota.pem"),
            authority=_read(authority).decode("latin-1") if authority.is_file() else None,
        )
    except OSError as error:
        raise StorageError(f"The phone's image cannot be read: {error}.") from error


def write_image(directory: Path, image: Image) -> None:
    """Write an image into a new folder; raises StateError, StorageError."""
    check_facts(image.facts)
    try:
        directory.mkdir(parents=True)
        (directory / "root.json").write_bytes(image.root)
        (directory / "ota.pem").write_bytes(image.ota_certificate)
        if image.authority is not None:
            (directory / "authority.pem").write_text(image.authority, encoding="latin-1")
        (directory / "image.json").write_bytes(encode_facts(image.facts))
    except OSError as error:
        raise StorageError(f"The phone's image cannot be written: {error}.") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise StateError(f"{path.name} in the phone's image is too long.")
    return data
