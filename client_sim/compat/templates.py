"""crDroid's and PixelExperience's Updater, as strict readers."""

import json
from typing import Any

from client_sim.compat.asking import AppPhone, Offer, Site, check_members, get_whole
from client_sim.compat.errors import DialectError
from client_sim.compat.lineage import FIELDS_1

CRDROID = (
    *("filename", "md5", "download", "version", "maintainer", "buildtype", "forum", "telegram"),
    *("gapps", "firmware", "modem", "bootloader", "recovery", "paypal"),
)
PE = ("filename", "id", "url", "version", "filehash")


def ask_crdroid(site: Site, base: str, phone: AppPhone) -> Offer | None:
    """Return what crDroid's app would offer: any newer date, without type or version."""
    value = _fetch(site, f"{base}/crdroid/{phone.device}.json")
    elements = value.get("response") if isinstance(value, dict) else value
    if not isinstance(elements, list):
        raise DialectError("the list has no `response`, and is no array.")
    for element in elements:
        check_members(element, CRDROID, ("timestamp", "size"))
    newest = max(elements, key=lambda each: int(each["timestamp"]), default=None)
    if newest is None or newest["timestamp"] <= phone.built:
        return None
    return Offer(
        url=newest["download"],
        datetime=newest["timestamp"],
        name=newest["filename"],
        size=newest["size"],
        sha256=newest.get("sha256", ""),
        md5=newest["md5"],
        version=newest["version"],
    )


def ask_pe(site: Site, base: str, phone: AppPhone) -> Offer | None:
    """Return what PixelExperience's app would offer; an object dated 0 says that there is none."""
    value = _fetch(site, f"{base}/pe/{phone.device}/{phone.version}")
    check_members(value, PE, ("datetime", "size"))
    if value["datetime"] <= phone.built:
        return None
    return Offer(
        url=value["url"],
        datetime=value["datetime"],
        name=value["filename"],
        size=value["size"],
        md5=value["filehash"],
        version=value["version"],
    )


def _fetch(site: Site, url: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(get_whole(site, url, FIELDS_1).body)
    except ValueError as error:
        raise DialectError("the list is no JSON.") from error
