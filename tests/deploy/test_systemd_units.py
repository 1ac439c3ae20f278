"""The units in `deploy/systemd/` and `deploy/grown/`, as systemd itself reads them."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from server.cli.cloud_folder import CREDENTIAL
from server.cloud.settings import CloudFolder
from server.http.turns import LIMITS
from server.storage.layout import StateFolder
from tests.programs import find

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = {
    path.name: path
    for folder in ("systemd", "grown")
    for path in sorted((DEPLOY / folder).iterdir())
    if path.suffix in {".service", ".socket"}
}
INSTALLED = "/opt/hening/bin/hening-server"
EXPOSURE = 2.0  # of 10, as `systemd-analyze security` counts it


def unit(name):
    """Return a unit's settings, each with all its values."""

    class Values(dict):
        def __setitem__(self, key, value):
            if isinstance(value, list) and key in self:
                self[key].extend(value)
            else:
                super().__setitem__(key, value)

    parser = configparser.RawConfigParser(
        dict_type=Values, strict=False, empty_lines_in_values=False
    )
    parser.optionxform = str
    parser.read_string(UNITS[name].read_text())
    return {
        section: {key: value.split("\n") for key, value in parser.items(section)}
        for section in parser.sections()
    }


@pytest.fixture
def installed(tmp_path):
    """Return the units with the paths of this test's environment."""
    units, program = tmp_path / "units", tmp_path / "hening-server"
    units.mkdir()
    # The checkout's path may have spaces, which a unit would have to quote.
    program.symlink_to(Path(sys.executable).with_name("hening-server"))
    for file in UNITS.values():
        text = file.read_text()
        (units / file.name).write_text(text.replace(INSTALLED, str(program)))
    return units


@pytest.mark.needs("systemd")
def test_units_are_valid(installed):
    """Every line passes systemd's own check without a warning."""
    checked = subprocess.run(
        ["systemd-analyze", "verify", *sorted(installed.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.needs("systemd")
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("hening.service", EXPOSURE),
        ("hening-keys.service", 1.0),
        ("hening-cloud.service", EXPOSURE),
        ("hening-control.service", EXPOSURE),
        ("hening-publisher.service", EXPOSURE),
        ("hening-edge.service", 4.0),  # root's, for nginx
    ],
)
def test_exposure(name, most):
    """The service's exposure is low, as `systemd-analyze security` measures it."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    told = subprocess.run(
        [*command, UNITS[name]], capture_output=True, text=True, check=True
    ).stdout
    exposure = re.search(rf"Overall exposure level for {name}: ([0-9.]+) ", told)
    assert float(exposure[1]) <= most


def test_isolation_of_key_process():
    """The server may connect, by its group, and cannot read keys or record."""
    server, keys = unit("hening.service")["Service"], unit("hening-keys.service")["Service"]
    assert keys["User"] != server["User"]
    assert keys["Group"] == server["Group"]
    assert (keys["StateDirectoryMode"], keys["RuntimeDirectoryMode"]) == (["0700"], ["0750"])
    assert (keys["PrivateNetwork"], keys["RestrictAddressFamilies"]) == (["yes"], ["AF_UNIX"])
    (start,) = keys["ExecStart"]
    program, group, command, *options = start.split()
    assert (program, group) == (INSTALLED, "keys")
    known = {
        name for option in find("hening-server", group, command).params for name in option.opts
    }
    assert {option for option in options if option.startswith("-")} <= known
    places = [option for option in options if option.startswith("/")]
    assert all(re.match(r"/(var/lib|run)/hening-keys/", place) for place in places)


@pytest.mark.parametrize(
    "name",
    [
        "hening.service",
        "hening.socket",
        "hening-keys.service",
        "hening-control.service",
        "hening-publisher.service",
    ],
)
def test_units_wait_for_root(name):
    """Each unit waits for the root that `init --root` pins, or that the key process gets."""
    (condition,) = unit(name)["Unit"]["ConditionPathExists"]
    services = {"hening.socket": "hening.service"}
    (start,) = unit(services.get(name, name))["Service"]["ExecStart"]
    words = start.split()
    if "--root" in words:
        assert condition == words[words.index("--root") + 1]
    else:
        state = StateFolder(Path(words[words.index("--state") + 1]))
        assert condition == str(state.trusted_root)


def test_isolation_of_cloud():
    """The cloud needs no other unit, starts once it exists, and gets the pepper as a credential."""
    cloud = unit("hening-cloud.service")
    service, (start,) = cloud["Service"], cloud["Service"]["ExecStart"]
    program, group, command, option, folder = start.split()
    assert (program, option) == (INSTALLED, "--folder")
    assert option in {
        name for each in find("hening-server", group, command).params for name in each.opts
    }
    assert cloud["Unit"]["ConditionPathExists"] == [str(CloudFolder(Path(folder)).settings)]
    assert not {"Requires", "BindsTo", "PartOf"} & cloud["Unit"].keys()
    (credential,) = service["LoadCredential"]
    name, _, path = credential.partition(":")
    assert name == CREDENTIAL
    assert not Path(path).is_relative_to(folder)
    others = {
        unit(each)["Service"]["User"][0] for each in ("hening.service", "hening-keys.service")
    }
    assert not others & set(service["User"])


def test_sockets_per_worker():
    """There are as many socket lines as workers, all equal; the kernel distributes connections."""
    service, sockets = unit("hening.service")["Service"], unit("hening.socket")["Socket"]
    (start,) = service["ExecStart"]
    program, command, *options = start.split()
    assert program == INSTALLED
    workers = int(options[options.index("--workers") + 1])
    assert len(sockets["ListenStream"]) == workers
    assert len(set(sockets["ListenStream"])) == 1
    assert sockets["ReusePort"] == ["yes"]
    known = {name for option in find("hening-server", command).params for name in option.opts}
    assert {option for option in options if option.startswith("-")} <= known


def test_limits_of_server():
    """The unit allows descriptors for every connection and download, and time to drain."""
    service = unit("hening.service")["Service"]
    assert int(service["LimitNOFILE"][0]) > LIMITS.connections + 3 * LIMITS.downloads
    assert int(service["TimeoutStopSec"][0]) > 2 * LIMITS.drain_seconds + 10
    assert (service["KillMode"], service["Type"]) == (["mixed"], ["notify"])
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
