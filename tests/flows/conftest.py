"""A stage for the flow tests: offline keys, a server process on loopback, phones.

The server uses the strict gate.
"""

import shutil
from contextlib import contextmanager

import pytest

from client_sim.persona import make_persona
from demo.phones import CERTIFICATE, counter_of, make_demo_phone
from fixtures.build import build_zip
from fixtures.catalogue import Build
from tests.patience import until
from tests.program_runner import ShiftedStage

KEYS = [
    "root-1",
    "root-2",
    "targets-1",
    "targets-2",
    "tables-1",
    "tables-2",
    "content-1",
    "armani-1",
]
CHANNEL = "armani/id/stable"


class FlowStage(ShiftedStage):
    """One model, one channel; builds 1 to 3 can be signed and offered."""

    gate = "strict"

    def hold_ceremony(self):
        """Make keys, sign root and roles, and pin the root; no program runs yet."""
        self.packages.mkdir()
        self.server("init", "--state", self.server_state)
        self.signer("keys", "new", "--keys", self.keys, *KEYS)
        self.signer(
            "ceremony", "init", "--repo", self.repo, "--keys", self.keys, "--model", "armani",
            "--online", self.server_state / "keys" / "public.json", "--out", self.incoming,
        )  # fmt: skip
        root = self.repo / "metadata" / "1.root.json"
        self.server("init", "--state", self.server_state, "--root", root)

    def open(self):
        """Start the server and wait for the first publication."""
        self.start_server("--gate", self.gate)
        self.submitted = 1
        self.wait_for_results(1)

    def wait_for_results(self, count):
        """Wait until results are served, as the demo does, which knows its server."""
        results = super().wait_for_results(count)
        until(self._is_served)
        return results

    def release(self, number, *, source=None, min_counter=0):
        """Sign and publish build `number`, with an incremental from build `source`."""
        target = Build("armani", "id", number)
        packages = {"full": build_zip(target)}
        if source is not None:
            packages["incremental"] = build_zip(target, Build("armani", "id", source))
        paths = [self.packages / f"armani-{number}-{kind}.zip" for kind in packages]
        for path, data in zip(paths, packages.values(), strict=True):
            path.write_bytes(data)
        self.signer(
            "release", "sign", "--repo", self.repo, "--keys", self.keys, "--region", "id",
            "--channel", "stable", "--counter", str(counter_of(target)), "--certificate",
            CERTIFICATE, "--min-counter", str(min_counter), "--out", self.incoming, *paths,
        )  # fmt: skip
        self.submitted += 1
        last = max(self.wait_for_results(self.submitted), key=lambda result: result["snapshot"])
        assert last["status"] == "published"

    def rollout(self, action, *arguments):
        """Change the channel's pointer and wait until the server shows it."""
        return self.server(
            "rollout", action, CHANNEL, "--state", self.server_state, *arguments,
            "--public-url", f"http://127.0.0.1:{self.port}", "--json",
        )  # fmt: skip

    def phone(self, name, number=0, seed=1):
        """Make a phone with build `number` from the factory."""
        return make_demo_phone(self, name, Build("armani", "id", number), make_persona(seed))


@pytest.fixture(scope="session")
def ceremony(programs, tmp_path_factory):
    """Hold one ceremony for all tests; each test starts from a copy of it."""
    folder = tmp_path_factory.mktemp("ceremony")
    FlowStage(folder, programs).hold_ceremony()
    return folder


class DirectStage(FlowStage):
    """A stage whose server answers every client, and also serves its log."""

    gate = "direct"


@contextmanager
def open_stage(kind, ceremony, folder, programs):
    """Open a copy of the ceremony's folder as a stage of this class, until the block ends."""
    stage = kind(folder / "stage", programs)
    shutil.copytree(ceremony, stage.folder)
    try:
        stage.open()
        yield stage
    finally:
        stage.stop_server()


@pytest.fixture
def stage(ceremony, programs, tmp_path):
    """Open a private stage for a test."""
    with open_stage(FlowStage, ceremony, tmp_path, programs) as opened:
        yield opened
