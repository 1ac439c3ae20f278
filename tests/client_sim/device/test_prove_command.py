import json

import pytest
from click.testing import CliRunner

from client_sim.cli import cli
from client_sim.device.errors import InstallError
from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.signing import CERTIFICATE_FILE
from hening.version import find_version
from tests import package_drafts as drafts


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Give a function that proves a package in an empty folder, with options."""
    monkeypatch.chdir(tmp_path)

    def call(data, *options):
        (tmp_path / "new.zip").write_bytes(data)
        arguments = ["prove", f"--certificate={CERTIFICATE_FILE}", *options, "new.zip"]
        return CliRunner().invoke(cli, arguments)

    return call


def test_a_report_is_written_beside_what_is_said(run, tmp_path):
    """By default it lies in this folder, under the package's name; nothing else is left."""
    done = run(build_zip(find_build("armani", "id", 1)))
    sentence = "new.zip installs, streamed and whole. The report is new.proof.json.\n"
    assert (done.exit_code, done.stdout) == (0, sentence)
    assert {path.name for path in tmp_path.iterdir()} == {"new.zip", "new.proof.json"}
    report = json.loads((tmp_path / "new.proof.json").read_bytes())
    assert (report["prover"], report["refusal"]) == (find_version(), "")


def test_json_is_the_report(run, tmp_path):
    """For programs the report itself is printed, and nothing else."""
    done = run(build_zip(find_build("armani", "id", 1)), "--json", "--out=other.json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads((tmp_path / "other.json").read_bytes())


def test_a_refusal_is_reported_too(run, tmp_path):
    """The report says the phone's sentence, and so does the command, which fails."""
    draft = drafts.full()
    drafts.put(draft.partition, 7, drafts.info(drafts.OLD))
    done = run(drafts.seal(draft).data)
    assert done.stdout == "The report on new.zip is new.proof.json.\n"
    assert isinstance(done.exception, InstallError)
    refusal = json.loads((tmp_path / "new.proof.json").read_bytes())["refusal"]
    assert str(done.exception) == f"new.zip does not install: {refusal}"
    assert not (tmp_path / "new.proof.json.unfinished").exists()
