"""SeaweedFS on four machines: master, filer and S3 gateway on one, and three volume servers.

Each object is on two volume servers, so any one of them can fail.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from server.storage.s3_client import S3Key, S3Place
from soak.grown.network import Machine
from soak.grown.program import Program, answers
from tests.seaweed import BUCKET, KEY_ID, SECRET, SECURITY, WEED, make_bucket

S3, FILER, MASTER, VOLUME = 8333, 8888, 9333, 8080
TWICE = "001"  # one more copy, on another server of the same rack
VOLUMES = ("volume-1", "volume-2", "volume-3")


class Store:
    """The programs of the store, by name, in the order in which they start."""

    def __init__(self, machines: Mapping[str, Machine], folder: Path) -> None:
        folder.mkdir()
        who = {"accessKey": KEY_ID, "secretKey": SECRET}
        identity = {"name": "hening", "credentials": [who], "actions": ["Admin"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "security.toml").write_text(SECURITY)
        self._folder = folder
        self._head = machines["store"]
        self.programs = {
            "master": self._weed(
                "master",
                self._head,
                f"http://{self._head.address}:{MASTER}/dir/assign",
                "-telemetry=false",  # by default it reports to its developers
                "-electionTimeout=1s",
                "-volumeSizeLimitMB=64",
                f"-defaultReplication={TWICE}",
            )
        }
        for name in VOLUMES:
            self.programs[name] = self._volume(machines[name])
        self.programs["filer"] = self._weed(
            "filer",
            self._head,
            f"http://{self._head.address}:{FILER}/",
            f"-port={FILER}",
            f"-master={self._head.address}:{MASTER}",
            f"-defaultReplicaPlacement={TWICE}",
            "-exposeDirectoryData=false",
            f"-defaultStoreDir={folder / 'filer'}",
        )
        self.programs["s3"] = self._weed(
            "s3",
            self._head,
            f"http://{self._head.address}:{S3}/healthz",
            f"-port={S3}",
            f"-filer={self._head.address}:{FILER}",
            "-port.iceberg=0",
            "-port.lance=0",
            f"-config={folder / 's3.json'}",
        )

    @property
    def endpoint(self) -> str:
        """The address of the S3 gateway."""
        return f"http://{self._head.address}:{S3}"

    def place(self, prefix: str) -> S3Place:
        """Return the S3 place of a prefix in the bucket."""
        return S3Place(BUCKET, prefix, self.endpoint, "us-east-1", S3Key(KEY_ID, SECRET))

    def start(self) -> None:
        """Start everything and make the bucket."""
        for program in self.programs.values():
            program.start()
            program.wait()
        make_bucket(self.place(""))

    def _volume(self, machine: Machine) -> Program:
        return self._weed(
            "volume",
            machine,
            f"http://{machine.address}:{VOLUME}/healthz",
            f"-port={VOLUME}",
            f"-master={self._head.address}:{MASTER}",
            "-max=30",
            "-minFreeSpace=0",
        )

    def _weed(self, kind: str, machine: Machine, health: str, *options: str) -> Program:
        name = machine.name if kind == "volume" else kind
        data = self._folder / name
        data.mkdir()
        own = {"master": [f"-mdir={data}"], "volume": [f"-dir={data}"]}.get(kind, [])
        command = [
            str(WEED),
            f"-config_dir={self._folder}",
            kind,
            f"-ip={machine.address}",
            f"-ip.bind={machine.address}",
            *own,
            *options,
        ]
        log = self._folder.with_name(f"{name}.log")
        return Program(name, machine, command, log, lambda: answers(health))
