"""LineageOS's Updater: version 1 (apps up to 22.2, /e/OS, iodé) and version 2 (since June 2026).

Source: docs/FORMATS.md section 18. In both versions an empty list means that there is no update.
"""

import re
from collections.abc import Iterator
from typing import Any

from server.compat.offers import (
    Build,
    ChannelOffers,
    Item,
    Model,
    find_missing_labels,
    labelled_offer,
)
from server.compat.options import SEGMENT
from server.compat.pages import Content, Page, hashed_files, json_page

VERSION = "lineage.version"
PROPERTY_FILES = "lineage.property_files"
ANDROID_VERSION = "lineage.android_version"  # /e/OS shows it
FILES = "/lineage/files"
_FILE = rf"{FILES}/{SEGMENT}/[0-9a-f]{{64}}\.[a-z0-9._-]{{1,95}}"
# The running build, which old templates append. It is matched and discarded.
_INCREMENTAL = r"[A-Za-z0-9._:+-]{0,64}"
GRAMMAR_1 = rf"/lineage/v1/{SEGMENT}/{SEGMENT}(?:/{_INCREMENTAL})?|{_FILE}"
GRAMMAR_2 = rf"/lineage/v2/devices/{SEGMENT}/builds|{_FILE}"
DISCARDED = re.compile(rf"(/lineage/v1/{SEGMENT}/{SEGMENT})/{_INCREMENTAL}")
MAX_LIST = 32_768  # bytes; the app of version 2 refuses more
MAX_BUILDS = 8
_VERSION_2 = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_TOKENS = re.compile(r"[^:,]+:[0-9]+:[0-9]+(?:,[^:,]+:[0-9]+:[0-9]+)*")


def lists_1(model: Model, now: int) -> dict[str, Page]:
    """Return the lists of version 1: one for each client channel."""
    return {
        f"/lineage/v1/{model.device}/{name}": json_page(
            {"response": [_element_1(model, offers, build) for build in _offers(offers, now)]}
        )
        for name, offers in model.channel_offers.items()
    }


def _offers(offers: ChannelOffers, now: int) -> list[Build]:
    build = labelled_offer(offers, now, VERSION)
    return [] if build is None else [build]


def _element_1(model: Model, offers: ChannelOffers, build: Build) -> dict[str, Any]:
    full = build.full
    element = {
        "datetime": full.release.post_timestamp,
        "filename": full.file,
        "id": full.sha256,
        "romtype": offers.name,
        "size": full.length,
        "url": _url(model, full),
        "version": full.label(VERSION),
    }
    android = full.label(ANDROID_VERSION)
    return element | ({"android_version": android} if android else {})


def lists_2(model: Model, now: int) -> dict[str, Page]:
    """Return the list of version 2, which has the builds of all client channels."""
    elements = [
        _element_2(model, offers, build)
        for offers in list(model.channel_offers.values())
        for build in _offers(offers, now)
        if is_version_2(build.full.label(VERSION))
    ][:MAX_BUILDS]
    page = json_page(elements)
    while len(page.body) > MAX_LIST:  # the app would refuse the whole list
        elements.pop()
        page = json_page(elements)
    return {f"/lineage/v2/devices/{model.device}/builds": page}


def is_version_2(version: str) -> bool:
    """Return whether the app of version 2 shows such a build; it silently ignores "22"."""
    return _VERSION_2.fullmatch(version) is not None


def _element_2(model: Model, offers: ChannelOffers, build: Build) -> dict[str, Any]:
    element: dict[str, Any] = {
        "datetime": build.full.release.post_timestamp,
        "type": offers.name,
        "version": build.full.label(VERSION),
        "files": [_file_2(model, build.full)],
    }
    if model.options.lineage_incremental and build.incrementals:
        element["incremental"] = [_file_2(model, build.incrementals[0])]
    return element


def _file_2(model: Model, item: Item) -> dict[str, Any]:
    file = {
        "filename": item.file,
        "os_patch_level": item.release.security_patch_level,
        "os_sdk_level": item.release.sdk_level,
        "sha256": item.sha256,
        "size": item.length,
        "url": _url(model, item),
    }
    spans = item.label(PROPERTY_FILES) or item.release.property_files
    # The app refuses a list with a malformed token; without the member it downloads the package.
    return file | ({"ota_property_files": spans} if _TOKENS.fullmatch(spans) else {})


def _url(model: Model, item: Item) -> str:
    return model.url(f"{FILES}/{model.device}/{item.hashed}")


def files_1(model: Model) -> dict[str, Content]:
    """Return the full packages."""
    return hashed_files(model, f"{FILES}/{model.device}")


def files_2(model: Model) -> dict[str, Content]:
    """Return the full packages, and the incrementals if lists name them."""
    files = files_1(model)
    if model.options.lineage_incremental:
        files |= hashed_files(model, f"{FILES}/{model.device}", "incremental")
    return files


def faults_1(model: Model, now: int) -> Iterator[str]:
    """Yield why builds are not in the lists of version 1."""
    for offers in model.channel_offers.values():
        yield from find_missing_labels(offers, now, VERSION)


def breaks_2(model: Model, now: int) -> Iterator[str]:
    """Yield the offered builds that the app of version 2 would never show."""
    for offers in model.channel_offers.values():
        for build in _offers(offers, now):
            version = build.full.label(VERSION)
            if not is_version_2(version):
                yield f"{build.full.path} has {VERSION} {version}, but the app requires MAJOR.MINOR"


def faults_2(model: Model, now: int) -> Iterator[str]:
    """Yield why builds are not in the list of version 2."""
    yield from faults_1(model, now)
    yield from breaks_2(model, now)
    count = sum(len(_offers(offers, now)) for offers in model.channel_offers.values())
    (page,) = lists_2(model, now).values()
    if page.body.count(b'"datetime"') < min(count, MAX_BUILDS) and count > 1:
        yield f"the list of {model.device} would be larger than {MAX_LIST} bytes"
