"""A release engineer's way from an empty folder to packages that any TUF client downloads.

keys new → ceremony init → release sign (full) → release sign (full and incremental) → the bundles
are laid out as a public tree → python-tuf's own client, which knows nothing of hening, refreshes
from the root of the ceremony and downloads by path.
"""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata, MetaFile, Snapshot, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater

from fixtures.signing import CERTIFICATE_FILE
from server.core.bundle import decode_bundle
from server.core.encodings import encode_canonical_json
from server.core.names import hashed_target_path
from server.core.note import VerifierKey
from server.core.release import decode_releases
from signer.cli import main
from signer.cli.runtime import Runtime


class FolderFetcher(FetcherInterface):
    """Serves what was published, by URL path."""

    def __init__(self, files) -> None:
        self.files = files

    def _fetch(self, url):
        path = urlsplit(url).path.lstrip("/")
        if path not in self.files:
            raise DownloadHTTPError(path, 404)
        yield self.files[path]


@pytest.fixture
def online():
    """Make the server's online keys."""
    return {
        name: CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))
        for seed, name in enumerate(("latest", "log", "snapshot", "timestamp"), start=1)
    }


def _run(now, passphrase, *arguments) -> None:
    runtime = Runtime(now, os.urandom, {b"HENING_SIGNER_PASSPHRASE": passphrase})
    assert main([str(each) for each in arguments], runtime) == 0


def _publish(incoming, online, now) -> dict[str, bytes]:
    """Return the public tree that the bundles make, with online roles as a server signs them."""
    files, versions, blobs = {}, {"latest": 1}, {}
    for folder in incoming.iterdir():
        bundle = decode_bundle((folder / "bundle.json").read_bytes())
        for role in bundle.roles:
            name = f"{role.version}.{role.name}.json"
            files[f"metadata/{name}"] = (folder / "metadata" / name).read_bytes()
            versions[role.name] = max(role.version, versions.get(role.name, 0))
        for blob in bundle.blobs:
            blobs[blob.sha256] = (folder / "blobs" / blob.sha256).read_bytes()
    role = json.loads(files[f"metadata/{versions['armani']}.armani.json"])
    for path, target in role["signed"]["targets"].items():
        sha256 = target["hashes"]["sha256"]
        files[f"targets/{hashed_target_path(path, sha256)}"] = blobs[sha256]
    expires = now.replace(day=7)
    meta = {f"{n}.json": MetaFile(v) for n, v in versions.items() if n != "root"}
    for name, signed in {
        "1.latest": Targets(version=1, expires=expires),
        "1.snapshot": Snapshot(version=1, expires=expires, meta=meta),
        "timestamp": Timestamp(version=1, expires=expires, snapshot_meta=MetaFile(1)),
    }.items():
        metadata = Metadata(signed)
        metadata.sign(online[name.rpartition(".")[2]])
        files[f"metadata/{name}.json"] = metadata.to_bytes()
    return files


def test_a_release_reaches_a_client_that_knows_only_tuf(
    tmp_path, online, now, passphrase, zips
) -> None:
    """Three commands of the engineer, and an unmodified TUF client has the packages."""
    publics = {n: s.public_key.keyval["public"] for n, s in online.items()}
    publics["log"] = str(VerifierKey("log.example", bytes.fromhex(publics["log"])))
    (tmp_path / "public.json").write_bytes(encode_canonical_json({"keys": publics, "schema": 1}))
    repo, keys, incoming = tmp_path / "repo", tmp_path / "keys", tmp_path / "incoming"
    incoming.mkdir()

    _run(
        *(now, passphrase, "keys", "new", "--keys", keys),
        *("root-1", "root-2", "root-3", "targets-1", "targets-2", "tables-1", "tables-2"),
        *("content-1", "armani-1"),
    )
    _run(
        *(now, passphrase, "ceremony", "init", "--repo", repo, "--keys", keys, "--out", incoming),
        *("--online", tmp_path / "public.json", "--model", "armani"),
    )
    common = (
        *("release", "sign", "--repo", repo, "--keys", keys, "--out", incoming),
        *("--region", "id", "--channel", "stable", "--certificate", CERTIFICATE_FILE),
    )
    _run(now, passphrase, *common, "--changelog", "en=First.", zips["first"])
    _run(now, passphrase, *common, "--changelog", "en=Next.", zips["second"], zips["step"])

    files = _publish(incoming, online, now)
    for folder in ("client", "downloads"):
        (tmp_path / folder).mkdir()
    updater = Updater(
        str(tmp_path / "client"),
        "http://updates.example/metadata/",
        target_dir=str(tmp_path / "downloads"),
        target_base_url="http://updates.example/targets/",
        fetcher=FolderFetcher(files),
        bootstrap=files["metadata/1.root.json"],
    )
    updater._trusted_set.reference_time = now
    updater.refresh()
    for name, path in zips.items():
        target = updater.get_targetinfo(f"armani/id/stable/armani-{name}.zip")
        assert target is not None
        saved = updater.download_target(target, str(tmp_path / "downloads" / name))
        assert Path(saved).read_bytes() == path.read_bytes()
    assert updater.get_targetinfo("armani/id/stable/armani-third.zip") is None

    role = Metadata[Targets].from_bytes(files["metadata/3.armani.json"]).signed
    assert {path[17:]: r.counter for path, r in decode_releases(role).items()} == {
        "armani-first.zip": 1,
        "armani-second.zip": 2,
        "armani-step.zip": 2,
    }
