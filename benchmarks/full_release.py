"""The `custom` object of a full package, for the benchmarks with many roles."""

from typing import Any


def full_release(codename: str, counter: int) -> dict[str, Any]:
    """Return the `custom` object of one build, of usual size; docs/FORMATS.md has the members."""
    return {
        "changelog": {"en": "Fixes the alarm clock. " * 4, "id": "Memperbaiki jam alarm. " * 4},
        "counter": counter,
        "fingerprint": f"Hening/{codename}/{codename}:14/UKQ1/{counter}:user/release-keys",
        "incremental": f"{counter}-id",
        "min_counter": 0,
        "payload_properties": {
            "FILE_HASH": "q80BI0VniavN7wEjRWeJq80BI0VniavN7wEjRWeJqw0=",
            "FILE_SIZE": "1873560",
            "METADATA_HASH": "q80BI0VniavN7wEjRWeJq80BI0VniavN7wEjRWeJqw0=",
            "METADATA_SIZE": "98416",
        },
        "post_timestamp": 1_767_225_600 + counter,
        "property_files": "payload_metadata.bin:1024:98683,payload.bin:1024:1873560",
        "schema": 1,
        "sdk_level": 34,
        "security_patch_level": "2026-01-01",
        "source_builds": [],
        "type": "full",
        "withdrawn": False,
    }
