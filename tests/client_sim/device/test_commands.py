import json

import pytest
from click.testing import CliRunner

from client_sim.cli import cli
from client_sim.device.factory import create_phone
from client_sim.engine.boot_state import BuildFacts
from fixtures.catalogue import find_build
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import Repository


def _run(*arguments):
    """Return what the command line gives, usage errors included."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def create(tmp_path):
    """Give a function that creates a phone, with options changed."""
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


@pytest.mark.parametrize(
    ("counter", "expected"), [({}, 0), ({"counter": 0}, 0), ({"counter": 7}, 7)]
)
def test_a_factory_build_counts_0_unless_told(create, tmp_path, counter, expected):
    """Releases count from 1, so every release can be installed on a phone from the factory."""
    assert json.loads(create(**counter).stdout)["build"]["counter"] == expected
    shown = _run("show", "--phone", tmp_path / "phone")
    assert f"installs nothing up to build {expected}\n" in shown.stdout


@pytest.mark.parametrize(
    "option",
    [
        {"host": "Updates.example"},
        {"host": "updates.example:80"},
        {"host": ""},
        {"region": "ID"},
        {"region": ""},
        {"channel": "a" * 17},
        {"channel": "-a"},
        {"counter": -1},
        {"counter": 2**53},
        {"counter": "one"},
        {"port": 0},
        {"persona": "x"},
        {"package": "missing.zip"},
    ],
)
def test_malformed_options_are_usage_errors(create, tmp_path, option):
    """Status 2, the option is named, nothing is made."""
    result = create(**option)
    assert result.exit_code == 2
    assert f"Invalid value for '--{next(iter(option))}'" in result.stderr
    assert not (tmp_path / "phone").exists()


@pytest.mark.parametrize(
    "mapping", ["", "a.example", "a.example=", "=127.0.0.1", "A=127.0.0.1", "a.example=b.example"]
)
@pytest.mark.parametrize("command", ["poll", "install"])
def test_malformed_addresses_are_usage_errors(tmp_path, command, mapping):
    """`--resolve` maps a host name to an IP address, nothing else."""
    result = _run(command, "--phone", tmp_path, "--resolve", mapping)
    assert result.exit_code == 2
    assert "Invalid value for '--resolve'" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "1970-01-01 00:00:00 UTC"),
        (1_767_225_600, "2026-01-01 00:00:00 UTC"),
        (2**53 - 1, "9007199254740991"),
    ],
)
def test_dates_are_told_as_dates(tmp_path, seconds, told):
    """A person reads a date, a program the seconds; what no calendar holds stays a number."""
    build = BuildFacts("a/b", "1", 0, seconds, "2026-01-05")
    image = shop.make_image(Repository(shop.NOW), 80)
    images = find_build("armani", "id", 0).images
    create_phone(tmp_path / "phone", image, images=images, build=build)
    shown = _run("show", "--phone", tmp_path / "phone").stdout
    assert f"made {told}, security patches of 2026-01-05\n" in shown
    told_to_programs = json.loads(_run("show", "--phone", tmp_path / "phone", "--json").stdout)
    assert told_to_programs["running"]["post_timestamp"] == seconds
