"""Facts of packages that exist in no zip: build N of armani is N hours newer than build 0."""

from datetime import UTC, datetime
from pathlib import Path

from tuf.api.metadata import Targets

from server.core.names import Channel
from signer.ota.summary import OtaFacts, PartitionFacts, Signed
from signer.release.plan import plan_release
from signer.release.request import ReleaseRequest

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EXPIRES = datetime(2026, 8, 30, 12, tzinfo=UTC)
STABLE, BETA = Channel("armani", "id", "stable"), Channel("armani", "id", "beta")
HASH = "FI3pxaekTRnlbNmuGlVL9nhHr7DFj24S+imsfd/KmUA="


def fingerprint(number, region="id"):
    """Return the fingerprint of build `number`."""
    return f"Hening/armani/armani:14/A/{number}-{region}"


def make_facts(number, source=None, region="id", **changes):
    """Return the facts of the full package of a build, or of its incremental from `source`."""
    kind = "full" if source is None else f"from-{source}"
    start = 0 if source is None else source
    facts = {
        "path": Path(f"armani-{region}-{number}-{kind}.zip"),
        "length": 1000 + number,
        "sha256": f"{number:032x}{start:032x}",
        "ota_type": "AB",
        "devices": ("armani",),
        "type": "full" if source is None else "incremental",
        "fingerprint": fingerprint(number, region),
        "incremental": f"{number}-{region}",
        "source_builds": () if source is None else (fingerprint(source, region),),
        "source_incrementals": (),
        "post_timestamp": 1_767_225_600 + 3600 * number,
        "sdk_level": 34,
        "security_patch_level": "2026-01-05",
        "wipe": False,
        "downgrade": False,
        "spl_downgrade": False,
        "partial": False,
        "property_files": "metadata:69:240",
        "streaming_property_files": "metadata:69:240",
        "payload_properties": {
            "FILE_HASH": HASH,
            "FILE_SIZE": "141000",
            "METADATA_HASH": HASH,
            "METADATA_SIZE": "1033",
        },
        "partitions": (
            PartitionFacts(
                "system",
                4096 * number,
                f"{number:064x}",
                {"REPLACE": 1},
                0 if source is None else 4096 * source,
                "" if source is None else f"{source:064x}",
            ),
        ),
        "minor_version": 0 if source is None else 7,
        "block_size": 4096,
        "signed": Signed(payload=True, whole_file=True),
    }
    return OtaFacts(**{**facts, **changes})


def empty_role():
    """Return the role as the ceremony creates it."""
    return Targets(version=1, expires=EXPIRES)


def sign(current, packages, channel=STABLE, **request):
    """Plan the release of packages."""
    return plan_release(ReleaseRequest(channel, **request), packages, current, NOW, EXPIRES)


def role_of(*numbers, channel=STABLE, current=None):
    """Return a role that lists the full packages of builds, with their numbers as counters."""
    current = current or empty_role()
    for number in numbers:
        current = sign(current, [make_facts(number)], channel, counter=number)
    return current


def path_of(number, source=None, channel=STABLE):
    """Return the path at which the package of a build is listed."""
    return f"{channel}/{make_facts(number, source).path.name}"


def is_withdrawn(role):
    """Return whether each path is withdrawn."""
    return {path: target.custom["withdrawn"] for path, target in role.targets.items()}
