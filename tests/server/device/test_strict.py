"""Which heads are a phone's, byte for byte."""

import pytest

from server.device.gate import BLOCK
from server.device.heads import is_phones
from server.device.snapshot import Snapshot
from server.http.answers import Package

PACKAGE = f"/targets/armani/id/stable/{'0' * 64}.a.zip"
PART = f"/targets/tables/zones/{'0' * 64}.03.xz"
PICTURE = f"/targets/content/wallpapers/{'0' * 64}.sea.jpg"
PACKAGES = {PACKAGE: Package("0" * 64, BLOCK + 9), PART: Package("0" * 64, 9)}
SNAPSHOT = Snapshot(1, {}, PACKAGES | {PICTURE: Package("0" * 64, 9)}, frozenset(), {})
STAMP = "/metadata/timestamp.json"
GZIP = "Accept-Encoding: gzip"


def head(path, *lines):
    """Return a head."""
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "data",
    [
        head(STAMP, "Host: a", GZIP),
        head("/metadata/7.root.json", "Host: a:8080", GZIP),
        head(PACKAGE, "Host: a", f"Range: bytes=0-{BLOCK - 1}"),
        head(PACKAGE, "Host: a", f"Range: bytes={BLOCK}-{BLOCK + 8}"),
        head(PART, "Host: a", GZIP),
        head(PICTURE, "Host: a", GZIP),
        head("/metadata/1.content-pro.json", "Host: a", GZIP),
        head("/log/proof/root-2.1", "Host: a", GZIP),
    ],
)
def test_phones_heads(data):
    """Those of the table: metadata with its coding, packages by aligned blocks, packs whole."""
    assert is_phones(data, SNAPSHOT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        head(STAMP, "Host: a"),
        head(STAMP, GZIP, "Host: a"),
        head(STAMP, "Host: a", GZIP, "Accept: */*"),
        head(STAMP, "host: a", GZIP),
        head(STAMP, "Host:  a", GZIP),
        head(STAMP, "Host: a b", GZIP),
        head(STAMP, "Host: a", "Range: bytes=0-8"),
        head("/log/checkpoint", "Host: a", GZIP),
        head(PACKAGE, "Host: a", GZIP),
        head(PART, "Host: a", "Range: bytes=0-8"),
        head(PICTURE, "Host: a", "Range: bytes=0-8"),
        head(PACKAGE, "Host: a", f"Range: bytes=0-{BLOCK}"),
        head(PACKAGE, "Host: a", "Range: bytes=0-8"),
        head(PACKAGE, "Host: a", f"Range: bytes={BLOCK}-{2 * BLOCK - 1}"),
        head(PACKAGE, "Host: a", f"Range: bytes={2 * BLOCK}-{2 * BLOCK + 8}"),
        head(STAMP, "Host: a", GZIP) * 2,
        head(STAMP, "Host: a", GZIP).replace(b"GET", b"HEAD"),
    ],
)
def test_other_heads(data):
    """Another order, spelling or header is no phone's, and neither is a part that is no block."""
    assert not is_phones(data, SNAPSHOT)
