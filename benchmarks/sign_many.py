"""Time each step of renewing many codename roles in one proposal, as is done each quarter.

    python -m benchmarks.sign_many [--models 400] [--releases 50]

The peer, in the same run, is python-tuf alone: it signs the same roles with the same keys and
verifies them, without the signer's checks. `sign` includes reading the keys from encrypted files,
which is slow on purpose, because the passphrase is stretched; therefore the steps are listed one
by one.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile, Targets

from benchmarks.full_release import full_release
from server.core.metadata import encode_metadata
from server.core.note import VerifierKey
from signer.cli import main
from signer.cli.runtime import Runtime
from signer.keys.key_file import encode_key_file
from signer.keys.public_key import PublicKey, encode_public_key

PASSPHRASE = b"FIXTURE-ONLY passphrase"
DAY = timedelta(days=1)
PEER = "peer: python-tuf signs and verifies"
STEPS = ("renew --propose", "review", "sign", "accept", "submit")
BEGIN = datetime(2026, 6, 1, tzinfo=UTC)


def make_keys(folder: Path, names: list[str]) -> dict[str, Ed25519PrivateKey]:
    """Write a key pair for each name and return the private keys."""
    folder.mkdir(parents=True)
    keys = {name: Ed25519PrivateKey.generate() for name in names}
    for name, key in keys.items():
        path = folder / f"{name}.key"
        path.touch(mode=0o600)
        path.write_bytes(encode_key_file(key, PASSPHRASE, os.urandom))
        public = PublicKey(name, key.public_key().public_bytes_raw().hex())
        (folder / f"{name}.pub").write_bytes(encode_public_key(public))
    return keys


def make_role(codename: str, releases: int) -> Targets:
    """Return a role with `releases` full packages, one for each build, in one channel."""
    targets = {}
    for counter in range(1, releases + 1):
        path = f"{codename}/id/stable/{codename}-{counter}-full.zip"
        custom = full_release(codename, counter)
        hashes = {"sha256": f"{counter:064x}"}
        targets[path] = TargetFile(1_873_560, hashes, path, {"custom": custom})
    return Targets(version=2, expires=BEGIN + 30 * DAY, targets=targets)


@contextmanager
def timed(name: str, rows: list[tuple[str, float]]) -> Iterator[None]:
    """Append the seconds that the block takes to `rows`."""
    begin = time.perf_counter()
    yield
    rows.append((name, time.perf_counter() - begin))


def run(*arguments: str | Path) -> None:
    """Run a command of the signer, discarding its output; exit if it fails."""
    runtime = Runtime(
        BEGIN, os.urandom, {b"HENING_SIGNER_PASSPHRASE": PASSPHRASE}, time.perf_counter
    )
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        status = main([str(argument) for argument in arguments], runtime)
    if status:
        sys.exit(f"{' '.join(map(str, arguments))} ended with {status}")


def measure(
    folder: Path, models: int, releases: int, log: Callable[[str], None]
) -> list[tuple[str, float]]:
    """Return the seconds of each step."""
    codenames = [f"model{number}" for number in range(models)]
    common = ["root-1", "root-2", "targets-1", "targets-2", "tables-1", "tables-2", "content-1"]
    keys = make_keys(folder / "keys", [*common, *(f"{name}-1" for name in codenames)])
    online = {role: Ed25519PrivateKey.generate() for role in ("latest", "snapshot", "timestamp")}
    public = {role: key.public_key().public_bytes_raw().hex() for role, key in online.items()}
    log_key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    verifier = VerifierKey("log.example", log_key)
    (folder / "public.json").write_text(
        json.dumps(
            {"keys": {**public, "log": str(verifier)}, "schema": 1},
            sort_keys=True,
            separators=(",", ":"),
        )
        + "\n"
    )
    rows: list[tuple[str, float]] = []
    repo, incoming = folder / "repo", folder / "incoming"
    incoming.mkdir()
    with timed("ceremony init", rows):
        run(
            *("ceremony", "init", "--repo", repo, "--keys", folder / "keys"),
            *("--online", folder / "public.json", "--out", incoming),
            *(option for name in codenames for option in ("--model", name)),
        )
    signers = {name: CryptoSigner(keys[f"{name}-1"]) for name in codenames}
    roles = {name: make_role(name, releases) for name in codenames}
    size = len(encode_metadata(Metadata(roles[codenames[0]])))
    log(f"{models} roles of {releases} releases, {size} bytes each")
    with timed(PEER, rows):
        for name, signed in roles.items():
            metadata = Metadata(signed)
            metadata.sign(signers[name])
            data = metadata.to_bytes()
            again = Metadata[Targets].from_bytes(data)
            signers[name].public_key.verify_signature(
                again.signatures[signers[name].public_key.keyid], again.signed_bytes
            )
    for name, signed in roles.items():
        metadata = Metadata(signed)
        metadata.sign(signers[name])
        (repo / "metadata" / f"2.{name}.json").write_bytes(encode_metadata(metadata))
    proposal, signatures = folder / "renewal.json", folder / "all.sig"
    with timed("renew --propose", rows):
        run("ceremony", "renew", *codenames, "--repo", repo, "--propose", proposal)
    with timed("review", rows):
        run("ceremony", "review", proposal)
    with timed("sign", rows):
        run(
            *(
                "ceremony",
                "sign",
                proposal,
                "--keys",
                folder / "keys",
                "--out",
                signatures,
                "--yes",
            ),
            *("--root", repo / "metadata" / "1.root.json"),
        )
    with timed("accept", rows):
        run("ceremony", "accept", "--repo", repo, proposal, signatures)
    with timed("submit", rows):
        run("ceremony", "submit", "--repo", repo, proposal, "--out", incoming)
    log(f"the proposal has {proposal.stat().st_size} bytes")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=400)
    parser.add_argument("--releases", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        table = measure(Path(place), options.models, options.releases, print)
    for step, seconds in table:
        print(f"{step:36} {seconds:8.2f} s")
    work = sum(seconds for step, seconds in table if step in STEPS)
    (peer,) = (seconds for step, seconds in table if step == PEER)
    print(f"{'all five steps':36} {work:8.2f} s, {work / peer:.0f} times the peer")
