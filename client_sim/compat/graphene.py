"""A strict simulation of GrapheneOS's and CalyxOS's Updater."""

import zipfile
from pathlib import Path

from client_sim.compat.errors import DialectError
from client_sim.compat.http_client import AppPhone, Offer, Reply, Site, get_complete
from client_sim.engine.errors import PackageError
from client_sim.engine.package_metadata import decode_metadata

METADATA = "META-INF/com/android/metadata"


def request_offer(site: Site, base: str, phone: AppPhone, prefix: str = "graphene") -> Offer | None:
    """Return the package that the app would fetch: an incremental with the full one as fallback."""
    url = f"{base}/{prefix}/{phone.device}-{phone.channel}"
    reply = get_complete(site, url, {"Accept-Encoding": "identity", "Connection": "close"})
    incremental, built = read_line(reply, phone, is_calyx=prefix == "calyx")
    if built <= phone.built:
        return None
    where = f"{base}/{prefix}/{phone.device}"
    full = Offer(f"{where}-ota_update-{incremental}.zip", built, version=incremental)
    if not phone.incremental:
        return full
    name = f"{where}-incremental-{phone.incremental}-{incremental}.zip"
    return Offer(name, built, version=incremental, fallback=full)


def read_line(reply: Reply, phone: AppPhone, *, is_calyx: bool) -> tuple[str, int]:
    """Return the incremental and the build date in the first line.

    GrapheneOS's app checks that the third field is the device and the fourth the channel; CalyxOS's
    app reads two fields. An empty body ends the app's service.
    """
    line = reply.body.decode("utf-8", "replace").split("\n", 1)[0]
    fields = line.split(" ")
    if not line or len(fields) < (2 if is_calyx else 4):
        raise DialectError("the line has too few fields, and the app's service ends.")
    if not fields[1].isascii() or not fields[1].isdigit():
        raise DialectError("the second field is not a date, and the app's service ends.")
    if not is_calyx and fields[2:4] != [phone.device, phone.channel]:
        raise DialectError(
            f"the line is for {' '.join(fields[2:4])[:80]}, not the requested device and channel."
        )
    return fields[0], int(fields[1])


def check_package(path: Path, offer: Offer, phone: AppPhone) -> None:
    """Raise DialectError unless the app would accept the downloaded package's metadata."""
    try:
        with zipfile.ZipFile(path) as package:
            metadata = decode_metadata(package.read(METADATA))
    except (PackageError, zipfile.BadZipFile, KeyError, OSError) as error:
        raise DialectError(f"the package cannot be read: {error}") from error
    values = metadata.values
    expected = {"post-timestamp": str(offer.datetime), "ota-type": "AB"}
    for name, value in expected.items():
        if values.get(name) != value:
            raise DialectError(f"the package has {name} {values.get(name)}, not {value}.")
    if phone.device not in metadata.pre_devices:
        raise DialectError(f"the package is not for {phone.device}.")
    if "serialno" in values:
        raise DialectError("the package is bound to serial numbers.")
    if metadata.pre_incrementals and phone.incremental not in metadata.pre_incrementals:
        raise DialectError("the package starts from another build.")
