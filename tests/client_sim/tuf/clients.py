"""The client under test, and python-tuf's client for comparison."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from unittest import mock
from urllib.parse import quote, unquote

from click.testing import CliRunner
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

from client_sim.cli import cli
from client_sim.clock import read_clock
from tests.client_sim.tuf.simulator import serve

PROGRAM = Path(sys.executable).with_name("hening-device")


class Client:
    """A client with a metadata folder and a target folder; commands return an exit status."""

    def __init__(self, folder, repository):
        self.repository = repository
        self.metadata = folder / "metadata"
        self.targets = folder / "targets"
        self.anchor = folder / "anchor.json"
        self.folder = folder
        self.output = self.error = ""

    def data(self, role):
        """Return the stored metadata of a role, or None."""
        path = self.metadata / f"{quote(role, safe='')}.json"
        return path.read_bytes() if path.is_file() else None

    @property
    def versions(self):
        """Return the trusted version of every role."""
        paths = self.metadata.glob("*.json")
        return {
            unquote(path.stem): json.loads(path.read_bytes())["signed"]["version"] for path in paths
        }

    def version(self, role):
        """Return the trusted version of a role, or None."""
        return self.versions.get(role)

    @property
    def stored(self):
        """Return the contents of all files in the target folder."""
        return sorted(path.read_bytes() for path in self.targets.rglob("*") if path.is_file())


class Device(Client):
    """`hening-device tuf`, in this process; `at` is the time of its clock."""

    def run(self, *arguments, at=None):
        """Run a command with options and return its status."""
        clock = read_clock if at is None else at.timestamp
        with mock.patch("client_sim.tuf.commands.read_clock", clock):
            done = CliRunner().invoke(cli, ["tuf", *arguments], prog_name="hening-device")
        self.output, self.error = done.stdout, done.stderr
        return done.exit_code

    def run_process(self, *arguments, before=()):
        """Run a command in its own process."""
        command = [*before, str(PROGRAM), "tuf", *arguments]
        environment = {"TZ": "UTC", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        self.error = done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode

    def init(self, root=None):
        """Trust a root, by default the repository's first one."""
        self.anchor.write_bytes(self.repository.trusted_root if root is None else root)
        return self.run("--metadata-dir", str(self.metadata), "init", str(self.anchor))

    def refresh(self, at=None):
        """Update the top-level roles."""
        with serve(self.repository) as url:
            return self.run(*self._options(url), "refresh", at=at)

    def download(self, *names):
        """Update and fetch targets."""
        with serve(self.repository) as url:
            options = [part for name in names for part in ("--target-name", name)]
            return self.run(
                *self._options(url),
                *options,
                *("--target-dir", str(self.targets), "--target-base-url", f"{url}/targets/"),
                "download",
            )

    def _options(self, url):
        return "--metadata-url", f"{url}/metadata/", "--metadata-dir", str(self.metadata)


class Reference(Client):
    """python-tuf's `Updater`, in this process."""

    def __init__(self, folder, repository):
        super().__init__(folder, repository)
        self.metadata.mkdir()
        self.targets.mkdir()

    def init(self, root=None):
        """Trust a root."""
        data = self.repository.trusted_root if root is None else root
        (self.metadata / "root.json").write_bytes(data)
        return 0

    def refresh(self, at=None):
        """Update the top-level roles."""
        return self._run(at, lambda _updater: None)

    def download(self, *names):
        """Update and fetch targets."""

        def fetch(updater):
            for name in names:
                target = updater.get_targetinfo(name)
                if target is None:
                    raise RepositoryError("not found")
                if updater.find_cached_target(target) is None:
                    updater.download_target(target)

        return self._run(None, fetch)

    def _run(self, at, action):
        with serve(self.repository) as url:
            try:
                updater = Updater(
                    str(self.metadata),
                    f"{url}/metadata/",
                    str(self.targets),
                    f"{url}/targets/",
                    bootstrap=None,
                )
                if at is not None:
                    updater._trusted_set.reference_time = at.astimezone(dt.UTC)
                updater.refresh()
                action(updater)
            except (RepositoryError, DownloadError) as error:
                self.error = str(error)
                return 1
            return 0
