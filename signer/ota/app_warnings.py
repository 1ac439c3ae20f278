"""What of a package breaks existing Updater apps, although the package is sound.

Source: docs/FORMATS.md section 18.
"""

import re
from collections import Counter
from collections.abc import Mapping

from signer.ota.summary import OtaFacts

VERSION = "lineage.version"
MAX_LABEL = 1024  # characters: `lineage.property_files` has to fit into a label
_MAJOR_MINOR = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_SOURCE = 4  # the part of a fingerprint that begins with its incremental


def find_app_warnings(facts: OtaFacts, labels: Mapping[str, str]) -> list[str]:
    """Return a sentence for each thing that breaks an app; `labels` are those of the release."""
    warnings = []
    if facts.uneven:
        warnings.append(
            f"LineageOS's app before version 2 does not find payload.bin: {facts.uneven[0]} has"
            " extra fields of one length in the zip's directory and of another before its data."
        )
    version = labels.get(VERSION)
    if version is not None and _MAJOR_MINOR.fullmatch(version) is None:
        warnings.append(
            f"LineageOS's app of version 2 never offers the version {version}: give MAJOR.MINOR in"
            f" the label {VERSION}."
        )
    if len(facts.property_files) > MAX_LABEL:
        warnings.append(
            f"LineageOS's app of version 2 cannot stream it: its list of parts has"
            f" {len(facts.property_files)} characters, and a list of builds 32 KiB in all."
        )
    found = Counter(
        parts[_SOURCE].partition(":")[0]
        for parts in (build.split("/") for build in facts.source_builds)
        if len(parts) > _SOURCE
    )
    for incremental, count in found.items():
        if count > 1:
            warnings.append(
                f"GrapheneOS's app cannot tell {count} of its source builds apart: all have the"
                f" incremental {incremental}."
            )
    return warnings
