import json

import pytest
from click.testing import CliRunner

from client_sim.cli import cli
from client_sim.device.errors import InstallError
from client_sim.device.factory import create_phone
from client_sim.world import BuildFacts
from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.signing import CERTIFICATE_FILE
from hening.version import find_version
from tests import package_drafts as drafts
from tests.cases import case
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import Repository


def _run(*arguments):
    """Run the command, with usage errors as a result."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def create(tmp_path):
    """Return a function that creates a phone, with options changed."""
    (tmp_path / "full.zip").write_bytes(shop.package(0))
    (tmp_path / "root.json").write_bytes(Repository(shop.NOW).trusted_root)
    (tmp_path / "ota.pem").write_bytes(shop.CERTIFICATE)

    def call(**changes):
        options = {
            "phone": tmp_path / "phone",
            "package": tmp_path / "full.zip",
            "root": tmp_path / "root.json",
            "certificate": tmp_path / "ota.pem",
            "host": "updates.hening.example",
            **changes,
        }
        return _run("create", "--json", *(f"--{name}={value}" for name, value in options.items()))

    return call


def test_counter_of_a_factory_build(create, tmp_path):
    """The default is 0; releases count from 1, so that a new phone can install all of them."""
    for name, counter, expected in (
        ("a", {}, 0),
        ("b", {"counter": 0}, 0),
        ("c", {"counter": 7}, 7),
    ):
        made = create(phone=tmp_path / name, **counter)
        assert json.loads(made.stdout)["build"]["counter"] == expected
        shown = _run("show", "--phone", tmp_path / name)
        assert f"installs nothing up to build {expected}\n" in shown.stdout


def test_malformed_options_are_usage_errors(create, tmp_path):
    """The status is 2, the message names the option, and no phone is made."""
    for option in (
        *({"host": value} for value in ("Updates.example", "updates.example:80", "")),
        *({"region": value} for value in ("ID", "")),
        *({"channel": value} for value in ("a" * 17, "-a")),
        *({"counter": value} for value in (-1, 2**53, "one")),
        *({"port": 0}, {"persona": "x"}, {"package": "missing.zip"}),
    ):
        result = create(**option)
        with case(option):
            assert result.exit_code == 2
            assert f"Invalid value for '--{next(iter(option))}'" in result.stderr
            assert not (tmp_path / "phone").exists()


def test_malformed_addresses_are_usage_errors(tmp_path):
    """`--resolve` accepts only a host name and an IP address."""
    for mapping in (
        "",
        "a.example",
        "a.example=",
        "=127.0.0.1",
        "A=127.0.0.1",
        "a.example=b.example",
    ):
        for command in ("poll", "install"):
            result = _run(command, "--phone", tmp_path, "--resolve", mapping)
            with case(mapping):
                assert result.exit_code == 2
                assert "Invalid value for '--resolve'" in result.stderr


def test_dates_are_readable(tmp_path):
    """The text has a date, `--json` the seconds; a number beyond the calendar stays a number."""
    image = shop.make_image(Repository(shop.NOW), 80)
    images = find_build("armani", "id", 0).images
    for seconds, shown_date in ((1_767_225_600, "2026-01-01 00:00:00 UTC"), (2**53 - 1, 2**53 - 1)):
        phone = tmp_path / str(seconds)
        build = BuildFacts("a/b", "1", 0, seconds, "2026-01-05")
        create_phone(phone, image, images=images, build=build)
        shown = _run("show", "--phone", phone).stdout
        assert f"made {shown_date}, security patches of 2026-01-05\n" in shown
        as_json = json.loads(_run("show", "--phone", phone, "--json").stdout)
        assert as_json["running"]["post_timestamp"] == seconds


@pytest.fixture
def prove(tmp_path, monkeypatch):
    """Return a function that proves a package in an empty folder, with options."""
    monkeypatch.chdir(tmp_path)

    def call(data, *options):
        (tmp_path / "new.zip").write_bytes(data)
        arguments = ["prove", f"--certificate={CERTIFICATE_FILE}", *options, "new.zip"]
        return CliRunner().invoke(cli, arguments)

    return call


def test_prove_writes_a_report(prove, tmp_path):
    """By default the report is in the working directory, named after the package."""
    done = prove(build_zip(find_build("armani", "id", 1)))
    sentence = "new.zip installs, streamed and whole. The report is new.proof.json.\n"
    assert (done.exit_code, done.stdout) == (0, sentence)
    assert {path.name for path in tmp_path.iterdir()} == {"new.zip", "new.proof.json"}
    report = json.loads((tmp_path / "new.proof.json").read_bytes())
    assert (report["prover"], report["refusal"]) == (find_version(), "")


def test_prove_with_json_prints_the_report(prove, tmp_path):
    """With `--json` the report is printed, and nothing else."""
    done = prove(build_zip(find_build("armani", "id", 1)), "--json", "--out=other.json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads((tmp_path / "other.json").read_bytes())


def test_prove_reports_a_refusal(prove, tmp_path):
    """The command fails with the same sentence that the report has."""
    draft = drafts.full()
    drafts.put(draft.partition, 7, drafts.info(drafts.OLD))
    done = prove(drafts.seal(draft).data)
    assert done.stdout == "The report on new.zip is new.proof.json.\n"
    assert isinstance(done.exception, InstallError)
    refusal = json.loads((tmp_path / "new.proof.json").read_bytes())["refusal"]
    assert str(done.exception) == f"new.zip does not install: {refusal}"
    assert not (tmp_path / "new.proof.json.unfinished").exists()
