import json

import pytest
from click.testing import CliRunner

from client_sim.cli import cli
from client_sim.device.factory import create_phone
from client_sim.world import BuildFacts
from fixtures.catalogue import find_build
from tests.cases import case
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


def test_a_factory_build_counts_0_unless_told(create, tmp_path):
    """Releases count from 1, so every release can be installed on a phone from the factory."""
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
    """Status 2, the option is named, nothing is made."""
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
    """`--resolve` maps a host name to an IP address, nothing else."""
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


def test_dates_are_told_as_dates(tmp_path):
    """A person reads a date, a program the seconds; what no calendar holds stays a number."""
    image = shop.make_image(Repository(shop.NOW), 80)
    images = find_build("armani", "id", 0).images
    for seconds, told in ((1_767_225_600, "2026-01-01 00:00:00 UTC"), (2**53 - 1, 2**53 - 1)):
        phone = tmp_path / str(seconds)
        build = BuildFacts("a/b", "1", 0, seconds, "2026-01-05")
        create_phone(phone, image, images=images, build=build)
        shown = _run("show", "--phone", phone).stdout
        assert f"made {told}, security patches of 2026-01-05\n" in shown
        told_to_programs = json.loads(_run("show", "--phone", phone, "--json").stdout)
        assert told_to_programs["running"]["post_timestamp"] == seconds
