"""Asks signer and phone about the same package, each by its own code, and compares the answers.

The phone gets what a release would state: the package's own metadata and properties.
"""

import io
import tempfile
from dataclasses import replace
from pathlib import Path

from client_sim.device.errors import ReleaseError
from client_sim.device.release import decode_release
from client_sim.device.update import expect
from client_sim.engine import manifest as phone_manifest
from client_sim.engine import manifest_checks
from client_sim.engine.errors import EngineError
from client_sim.engine.install import install_package, install_stream
from client_sim.engine.package import load_verified_payload, open_package, verify_package_signature
from client_sim.engine.package_metadata import check_fit, check_package_facts
from client_sim.engine.signatures import load_certificate_key
from client_sim.engine.slots import Slots
from fixtures.signing import CERTIFICATE_FILE, SIGNATURES_LENGTH
from signer.ota import manifest, payload_checks
from signer.ota.errors import OtaError
from signer.ota.inspect import inspect_ota
from signer.release.package_checks import judge_package
from tests.client_sim.engine.streamed import Blocks, facts_of
from tests.package_drafts import OLD, SOURCE, encode

CODENAME = "armani"
_PATH = "armani/id/stable/package.zip"


def ask_signer(sealed, folder):
    """Return the signer's refusal of a package, or None, and the facts that it read."""
    path = folder / "package.zip"
    path.write_bytes(sealed.data)
    try:
        facts = inspect_ota(path, certificate=CERTIFICATE_FILE.read_bytes(), codename=CODENAME)
    except OtaError as error:
        return str(error), None
    refusals = [each.refusal for each in judge_package(facts, CODENAME) if each.refusal]
    return (refusals[0] if refusals else None), facts


def ask_phone(sealed, folder):
    """Return the phone's refusal of a package, whole or streamed, or None if it installs it."""
    expected = _expect(sealed)
    if isinstance(expected, str):
        return expected
    said = []
    for name, package, install in (
        ("whole", io.BytesIO(sealed.data), install_package),
        ("stream", Blocks(sealed.data, 1 << 20), install_stream),
    ):
        try:
            install(package, _phone(folder / name, ["product"]), expected)
        except EngineError as error:
            said.append(str(error))
        else:
            said.append(None)
    assert (said[0] is None) == (said[1] is None), f"whole and streamed differ: {said}"
    return said[0]


def ask_phone_rules(sealed, folder, partitions):
    """Return the refusal of a phone with these partitions before it unpacks any data, or None.

    Only an installation shows whether data and old images match the manifest.
    """
    expected = _expect(sealed)
    if isinstance(expected, str):
        return expected
    key, file = load_certificate_key(expected.certificate), io.BytesIO(sealed.data)
    slots = _phone(folder, partitions)
    try:
        package = open_package(
            file,
            property_files=expected.property_files,
            payload_properties=expected.payload_properties,
        )
        running = slots.running_build
        check_package_facts(
            package.metadata, codename=CODENAME, running=running, expected=expected.facts
        )
        payload = load_verified_payload(package, key)
        verify_package_signature(file, key)
        check_fit(payload.manifest, package.metadata, slots, running)
    except EngineError as error:
        return str(error)
    return None


def _expect(sealed):
    """Return what a release tells a phone about the package, or why there can be no release."""
    try:
        release = _release(sealed)
    except (KeyError, ValueError) as error:
        return f"no release can be made of it: {error!r}"
    except ReleaseError as error:
        return str(error)
    expected = expect(release, sealed.sha256, CERTIFICATE_FILE.read_bytes(), CODENAME)
    return replace(expected, facts=replace(release.build, counter=9))


def ask_of_manifest(draft):
    """Return the refusals of signer and phone for a manifest without its data; None if accepted."""
    raw, length = encode(draft.manifest), len(draft.blobs) + SIGNATURES_LENGTH
    try:
        payload_checks.check_manifest(manifest.decode_manifest(raw), length)
        signer = None
    except OtaError as error:
        signer = str(error)
    try:
        manifest_checks.check_manifest(phone_manifest.decode_manifest(raw), length)
    except EngineError as error:
        return signer, str(error)
    return signer, None


def _release(sealed):
    texts = sealed.texts
    source = texts.get("pre-build", "")
    custom = {
        "schema": 1,
        "type": "incremental" if source else "full",
        "counter": 9,
        "fingerprint": texts["post-build"],
        "incremental": texts["post-build-incremental"],
        "post_timestamp": int(texts["post-timestamp"]),
        "security_patch_level": texts["post-security-patch-level"],
        "sdk_level": int(texts["post-sdk-level"]),
        "source_builds": source.split("|") if source else [],
        "min_counter": 0,
        "property_files": texts["ota-streaming-property-files"].rstrip(" "),
        "payload_properties": {
            key: sealed.properties[key]
            for key in ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")
        },
        "changelog": {},
        "withdrawn": False,
    }
    return decode_release(_PATH, custom)


def _phone(folder, partitions):
    """Return a new phone that runs build 1 and has the same content in each partition."""
    folder.mkdir(parents=True, exist_ok=True)
    flashed = Path(tempfile.mkdtemp(dir=folder))
    old = flashed / "old.img"
    old.write_bytes(OLD)
    slots = Slots(flashed / "phone")
    slots.flash_factory(dict.fromkeys(partitions, old), facts_of(SOURCE))
    return slots
