"""A node of the cloud in a separate process, with its CPU time and memory."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import SigningKey

from benchmarks.device.cpu import cpu_seconds, tree
from server.core.cloud_policy import policy_key_name
from server.core.note import VerifierKey
from signer.cloud_policy import make_policy, sign_policy

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-c", "from server.cli import main; main()", "cloud")


@dataclass(frozen=True, slots=True)
class Node:
    """A node that listens at `url`; phones have `policy_key` in their image."""

    url: str
    pid: int
    policy_key: str = ""

    def cpu(self) -> float:
        """Return the CPU seconds that the node and its child processes have used so far."""
        return cpu_seconds(tree(self.pid))

    def memory(self, which: str = "VmRSS") -> float:
        """Return the node's resident memory in MiB; with VmHWM, its peak."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith(f"{which}:"))
        return int(line.split()[1]) / 1024


def make_cloud(folder: Path) -> str:
    """Create a cloud on SQLite and a folder, with a policy; return the policy's key."""
    folder.mkdir()
    sources = ROOT / "deploy" / "cloud" / "policies"
    text, note = sources / "id.en.md", folder / "policy"
    source = (sources / "id.toml").read_bytes().replace(b"from = 2027", b"from = 2020")
    policy = make_policy(source, {"en": text.read_bytes()})
    key = SigningKey.generate()
    name = VerifierKey(policy_key_name("id"), bytes(key.verify_key))
    note.write_bytes(sign_policy(policy, name, lambda signed: key.sign(signed).signature))
    given = ("--policy", str(note), "--policy-key", str(name), "--text", f"en={text}")
    words = ("--folder", str(folder / "cloud"), "--pepper", str(folder / "pepper"))
    subprocess.run(  # noqa: S603 - our own program
        [*PROGRAM, "init", *words, "--region", "id", *given], check=True, stdout=subprocess.DEVNULL
    )
    return str(name)


@contextlib.contextmanager
def running_node(cloud: Path, policy_key: str, folder: Path) -> Iterator[Node]:
    """Serve a copy of a cloud, in `folder`, until the block ends."""
    shutil.copytree(cloud, folder, dirs_exist_ok=True)
    words = ("--folder", str(folder / "cloud"), "--pepper", str(folder / "pepper"))
    settings = {"HENING_CLOUD_SIGN_UP": "open", "HENING_CLOUD_QUOTA": "0"}
    with subprocess.Popen(  # noqa: S603
        [*PROGRAM, "run", *words, "--port", "0"],
        stdout=subprocess.PIPE,
        env={**os.environ, **settings},
        text=True,
    ) as process:
        try:
            if process.stdout is None or not (url := process.stdout.readline().strip()):
                raise SystemExit("the node does not start.")
            yield Node(url, process.pid, policy_key)
        finally:
            process.terminate()
