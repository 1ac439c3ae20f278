"""Access points, from mobile-broadband-provider-info or a file of Android's form.

`serviceproviders.xml` (GNOME's format 2.0) says which networks a provider's access points belong to
and knows the country of those that have no network's numbers; `apns-conf.xml` (Android) has one
network for each access point.
"""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from signer.content.sources.access_point import Aside
from signer.content.sources.android_apns import read_android
from signer.content.sources.built import Built, name_source
from signer.content.sources.errors import SourceError
from signer.content.sources.left_out import LeftOut
from signer.content.sources.service_providers import read_providers

NAME = "mobile-broadband-provider-info"
LICENCE = "CC-PDDC"
#: The upstream files have less than a megabyte.
MAX_OCTETS = 16 * 1024 * 1024
READERS = {"serviceproviders": read_providers, "apns": read_android}


def load_apn(path: Path, version: str, *, name: str = "", licence: str = "") -> Built:
    """Build the kind `apn` from either form; `version` is that of the package the file is from.

    GNOME's form is of mobile-broadband-provider-info where nothing else is said; Android's may be
    anybody's, so `name` and `licence` have to be. An access point that a network has twice in all
    members is kept once. SourceError if the file is neither, is not well formed, declares entities,
    or nobody says what it is.
    """
    root = _parse(path)
    reader = READERS.get(root.tag)
    if reader is None:
        raise SourceError(
            f"{path} begins with <{root.tag}>; give a serviceproviders.xml or an apns-conf.xml."
        )
    if root.tag == "serviceproviders":
        name, licence = name or NAME, licence or (LICENCE if name in {"", NAME} else "")
    if not name or not licence:
        raise SourceError(
            f"{path} does not say whose list it is; give --source-name and --source-licence."
        )
    notes: list[str] = []
    left_out = LeftOut()
    networks: dict[str, list[dict[str, object]]] = {}
    for key, point in reader(root, Aside(notes.append, left_out)):
        points = networks.setdefault(key, [])
        if point in points:
            left_out.add("an access point that its network has already", key)
        else:
            points.append(point)
    entries: dict[str, object] = {key: {"apns": networks[key]} for key in sorted(networks)}
    sources = [name_source(name, version, licence)]
    return Built(entries, sources, notes=tuple(notes), left_out=left_out)


def _parse(path: Path) -> Element:
    """Return the root of an XML file that fetches nothing and expands nothing."""
    if path.stat().st_size > MAX_OCTETS:
        raise SourceError(
            f"{path} has more than {MAX_OCTETS} octets; no list of access points has."
        )
    try:
        root = parse(path).getroot()
    except ParseError as error:
        raise SourceError(f"{path}, line {error.position[0]}: not well formed: {error}.") from error
    except DefusedXmlException as error:
        raise SourceError(f"{path} declares entities; give a file without them.") from error
    if root is None:
        raise SourceError(f"{path} is empty; give a serviceproviders.xml or an apns-conf.xml.")
    return root
