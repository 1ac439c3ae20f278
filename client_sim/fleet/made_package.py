"""Makes OTA zips that the real update engine takes, small ones, for a fleet's own server."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from client_sim.fleet.made_build import SDK_LEVEL, MadeBuild
from client_sim.fleet.made_payload import make_payload
from client_sim.fleet.package_signer import PackageSigner

_DATE: Final = (2009, 1, 1, 0, 0, 0)  # so that nothing depends on the clock
_HEADER: Final = 30  # octets of a local header in front of the name
_METADATA: Final = "META-INF/com/android/metadata"


@dataclass(frozen=True, slots=True)
class MadePackage:
    """A package, and what a release says of it: FORMATS section 3."""

    octets: bytes
    property_files: str
    payload_properties: Mapping[str, str]


def make_package(build: MadeBuild, signer: PackageSigner) -> MadePackage:
    """Write and sign the full package of `build`."""
    payload = make_payload(build, signer)
    properties = _lines(payload.properties)
    entries = {
        "META-INF/com/android/otacert": signer.certificate,
        "payload.bin": payload.octets,
        "payload_properties.txt": properties,
    }
    facts = _describe(build)
    names = ""
    # The metadata says how long it is itself; that settles once its digits are as many as before.
    while True:
        front = f"payload_metadata.bin:{_find(names)}:{payload.front}"
        metadata = _lines(
            {
                **facts,
                "ota-property-files": f"{front},{names}",
                "ota-streaming-property-files": names,
            }
        )
        archive, found = _write({**entries, _METADATA: metadata})
        if found == names:
            return MadePackage(signer.sign_zip(archive), names, payload.properties)
        names = found


def _write(entries: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return a zip of stored entries, and where each but the first lies: its property files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, octets in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), octets)
        _, *infos = archive.infolist()
    tokens = [
        f"{info.filename.rpartition('/')[2]}:"
        f"{info.header_offset + _HEADER + len(info.filename)}:{info.file_size}"
        for info in infos
    ]
    return file.getvalue(), ",".join(tokens)


def _find(names: str) -> str:
    """Return where the payload begins, which stands first in `names`."""
    return ":".join(names.split(":")[1:2])


def _describe(build: MadeBuild) -> dict[str, str]:
    facts = build.facts
    return {
        "ota-type": "AB",
        "post-build": facts.fingerprint,
        "post-build-incremental": facts.incremental,
        "post-sdk-level": str(SDK_LEVEL),
        "post-security-patch-level": facts.security_patch_level,
        "post-timestamp": str(facts.post_timestamp),
        "pre-device": build.codename,
    }


def _lines(values: Mapping[str, str]) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in values.items()).encode()
