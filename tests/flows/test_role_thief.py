"""The tools of `tests/attacks/role_thief.py` work: if no rule is broken, they succeed.

A refused attack proves something only if the same tools succeed otherwise.
"""

import time

import pytest

from demo.phones import counter_of
from demo.stage import HOST, PASSPHRASE
from fixtures.build import build_zip
from fixtures.catalogue import Build
from tests.attacks.role_thief import (
    list_package,
    load_key,
    load_role,
    next_version,
    offer,
    plant,
    sign,
    submit,
)
from tests.flows.conftest import CHANNEL, FlowStage, open_stage
from tests.flows.thief_server import make_thief, serving

FIRST = Build("armani", "id", 1)
PATH = f"{CHANNEL}/first.zip"


class NarrowStage(FlowStage):
    """A stage with an API and a token for it that may only read, upload and submit."""

    def open(self):
        """Start the server with an API, and wait for the first publication."""
        state = ("--state", self.server_state)
        narrow = [w for name in ("read", "upload", "submit") for w in ("--permission", name)]
        self.server("account", "add", "eka", "--role", "engineer", "--codename", "armani", *state)
        made = self.server("token", "create", "eka", "--label", "narrow", *narrow, *state)
        self.token = made.strip()
        _, api = self.start("--gate", "strict", "--api-port", "0", listens=2)
        self.api = api.removesuffix("/api/v1")
        self.wait_for_results(1)

    def sign_first(self):
        """Sign the public role with build 1 listed; return role, bytes and package."""
        package = self.packages / "first.zip"
        package.write_bytes(build_zip(FIRST))
        current = load_role(self.server_state / "public" / "metadata", "armani").signed
        role = next_version(current, int(time.time()) + 90 * 86_400)
        list_package(role, PATH, package, counter=counter_of(FIRST))
        return role, sign(role, load_key(self.keys, "armani-1", PASSPHRASE)), package

    def install(self, address):
        """Let a new phone install from a server at `address`; return its output."""
        phone = self.phone(f"at-{address}")
        place = ("--phone", phone.folder, "--resolve", f"{HOST}={address}", "--json")
        self.device("install", *place)
        return phone.phone.running_build.incremental


@pytest.fixture
def stage(ceremony, programs, tmp_path):
    """Open a stage with an API."""
    with open_stage(NarrowStage, ceremony, tmp_path, programs) as opened:
        yield opened


def test_submission_over_api(stage):
    """A role signed and submitted with these tools is published, and a phone installs from it."""
    role, data, package = stage.sign_first()
    assert submit(stage.api, stage.token, {("armani", role.version): data}, package) == 2
    stage.rollout("offer", "--share", "100%")
    assert stage.install("127.0.0.1") == FIRST.incremental


def test_serving_from_mirror(stage):
    """With stolen online keys a phone accepts it, and the server does not know it."""
    role, data, package = stage.sign_first()
    thief = make_thief(stage.server_state)
    latest = offer(thief, role, PATH)
    plant(thief, {"armani": (role.version, data)}, [(PATH, package)], latest=latest)
    with serving(thief, stage.port):
        assert stage.install("127.0.0.2") == FIRST.incremental
    assert stage.install("127.0.0.1") == Build("armani", "id", 0).incremental
