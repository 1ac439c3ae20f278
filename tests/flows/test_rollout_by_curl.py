"""A rollout of the demo ROM through the API alone, as in docs/how-to/api-rollout.md."""

import os
import re
from pathlib import Path

import pytest

from demo.phones import CERTIFICATE
from demo.stage import PASSPHRASE
from fixtures.build import build_zip
from fixtures.catalogue import Build
from tests.flows.conftest import FlowStage, open_stage
from tests.flows.shell import run_script

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "api-rollout.md").read_text(encoding="utf-8")
BLOCK = re.search(r"```bash\n(.*?)```", PAGE, re.DOTALL)[1]
PEOPLE = {"engineer": ("eka", "engineer"), "approver": ("ari", "approver")}


class ApprovalStage(FlowStage):
    """A stage with an API, two-person approval for stable, an engineer and an approver."""

    def open(self):
        """Make packages and the signer's folders; start the server, and let it publish."""
        (self.folder / "repo").symlink_to(self.repo)
        (self.folder / "outbox").mkdir()
        (self.folder / "releasekey.x509.pem").write_bytes(CERTIFICATE.read_bytes())
        for number in (1, 2):
            package = self.folder / f"armani-id-{number}-full.zip"
            package.write_bytes(build_zip(Build("armani", "id", number)))
        settings = 'approval_channels = ["*/*/stable"]\n'
        (self.server_state / "settings.toml").write_text(settings, encoding="utf-8")
        for header, (name, role) in PEOPLE.items():
            state = ["--state", self.server_state]
            self.server("account", "add", name, "--role", role, "--all-codenames", *state)
            token = self.server("token", "create", name, "--label", "curl", *state).strip()
            line = f"Authorization: Bearer {token.split()[-1]}\n"
            (self.folder / f"{header}.header").write_text(line, encoding="utf-8")
        _, api = self.start("--gate", "strict", "--api-port", "0", listens=2)
        self.api = api.removesuffix("/api/v1")
        self.wait_for_results(1)


@pytest.fixture
def stage(ceremony, programs, tmp_path):
    """Open a stage with an API."""
    with open_stage(ApprovalStage, ceremony, tmp_path, programs) as opened:
        yield opened


@pytest.mark.needs("curl", "jq")
def test_api_rollout_page(stage):
    """Each command exits with 0, webhooks report the changes, and a phone has the fix."""
    phone = stage.phone("walker")
    assert "http://127.0.0.1:8081" in BLOCK
    environment = {
        "PATH": f"{stage.programs.path}:{os.environ['PATH']}",
        "HENING_SIGNER_PASSPHRASE": PASSPHRASE,
        "LC_ALL": "C.UTF-8",
    }
    script = BLOCK.replace("http://127.0.0.1:8081", stage.api)
    output = run_script(script, stage.folder, environment, "-euo pipefail -c")
    told = [line.split("\t") for line in output.splitlines() if "\t" in line]
    assert told == [
        ["schedule", "eka", "ari", "done"],
        ["offer", "eka", "ari", "done"],
        ["halt", "ari", "", "done"],
        ["offer", "eka", "ari", "done"],
    ]
    assert "withdrawn" in output
    assert phone.install() == Build("armani", "id", 2).incremental
    (shown,) = stage.server("rollout", "show", "--state", stage.server_state, "--json")
    assert (shown["state"], shown["permille"]) == ("offered", 1000)
