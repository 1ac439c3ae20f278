"""Time zones: each name of the database, links as links, offsets as in zoneinfo."""

import base64
import datetime as dt
import io
import zoneinfo
from importlib.resources import files
from pathlib import Path

import pytest

from signer.content.sources.zones import load_zones
from signer.errors import SourceError
from tests.content_rules import check_pack
from tests.server.core.content.samples import FULL, tzif

ZONEINFO = files("tzdata") / "zoneinfo"


@pytest.fixture(scope="module")
def built():
    """Build the zones of the package tzdata."""
    return load_zones()


def test_names_of_tzdata(built) -> None:
    """All names are there; links and version are those of tzdata.zi."""
    assert check_pack("zones", built.entries) < 120_000
    assert sorted(built.entries) == sorted((files("tzdata") / "zones").read_text().split())
    lines = (ZONEINFO / "tzdata.zi").read_text().splitlines()
    links = {line.split()[2]: line.split()[1] for line in lines if line.startswith("L ")}
    found = {key: entry["link"] for key, entry in built.entries.items() if "link" in entry}
    assert found == links
    assert len(found) > 200
    import tzdata  # noqa: PLC0415

    assert built.sources == [
        {"licence": "LicenseRef-public-domain", "name": "tzdata", "version": tzdata.IANA_VERSION}
    ]


def test_offsets_of_zoneinfo(built):
    """The standard library reads the same offsets from an entry, in several years."""
    for name, key in (
        ("Asia/Jakarta",) * 2,
        ("Europe/Berlin",) * 2,
        ("Asia/Calcutta", "Asia/Kolkata"),
    ):
        entry = built.entries[name]
        assert ("link" in entry) == (name != key)
        data = base64.b64decode(built.entries[key]["tzif"])
        own = zoneinfo.ZoneInfo.from_file(io.BytesIO(data))
        for year in (1935, 1964, 1980, 2026, 2090):
            moment = dt.datetime(year, 7, 1, 12, tzinfo=own)
            peer = dt.datetime(year, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo(name))
            assert moment.utcoffset() == peer.utcoffset()


def folder_of(path: Path, **others: bytes) -> Path:
    """Make a folder of two zones, a link between them, and other files of such folders."""
    path.mkdir()
    (path / "tzdata.zi").write_text("# version 2026z\nZ B 1 - x\nL B A\n")
    names = {"A": b"TZif2one", "B": b"TZif2one", "C": b"TZif2two", "localtime": b"TZif2one"}
    for name, data in {**names, "zone.tab": b"x", "README": b"no zone", **others}.items():
        (path / name).write_bytes(data)
    (path / "right").mkdir()
    (path / "right" / "A").write_bytes(b"TZif2leap")
    (path / "X").mkdir()
    (path / "X" / "Y").write_bytes(b"TZif2two")
    return path


def test_zoneinfo_folder(tmp_path):
    """The system's own choice, its lists and copies with leap seconds are no zones."""
    built = load_zones(folder_of(tmp_path / "zoneinfo"))
    assert built.sources[0]["version"] == "2026z"
    assert built.entries == {
        "A": {"link": "B"},
        "B": {"tzif": base64.b64encode(b"TZif2one").decode()},
        "C": {"tzif": base64.b64encode(b"TZif2two").decode()},
        "X/Y": {"link": "C"},
    }
    assert {each["reason"]: each["names"] for each in built.left_out.to_json()} == {
        "a file that is no compiled zone": {"README": 1},
        "no zone of the database, or a copy of all of them": {"localtime": 1, "right": 1},
    }


def test_first_block_is_emptied(tmp_path):
    """The first block, for old readers, repeats the second up to 2037, as in Debian's files."""
    full, slim = tzif(first=FULL), tzif()
    folder = folder_of(tmp_path / "zoneinfo", D=full, E=slim, F=full[:-20], G=full[:50])
    entries = load_zones(folder).entries
    assert entries["D"] == {"tzif": base64.b64encode(slim).decode()}
    assert entries["E"] == {"link": "D"}
    assert entries["G"] == {"tzif": base64.b64encode(full[:50]).decode()}


def test_name_and_version_of_zones(tmp_path) -> None:
    """Name and licence can be given; the folder's own version is required."""
    folder = folder_of(tmp_path / "zoneinfo")
    built = load_zones(folder, version="2026z", name="our zones", licence="MIT")
    assert built.sources == [{"licence": "MIT", "name": "our zones", "version": "2026z"}]
    with pytest.raises(SourceError, match="says version 2026z, and not 2026a"):
        load_zones(folder, version="2026a")
    (folder / "tzdata.zi").unlink()
    with pytest.raises(SourceError, match="names no version"):
        load_zones(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no compiled time zones"):
        load_zones(tmp_path / "empty")
