"""Unmodified TUF clients and curl work with the server."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from tuf.ngclient import Updater

from client_sim.cli import cli
from server.http.requests import GateMode
from tests.server.device.served import serve
from tests.server.device.test_answer import PACKAGE, POINTER
from tests.server.world import CHANNEL, FIRST, PACKAGE_1


@pytest.fixture(scope="module")
def served(published_state):
    """Serve the published state as `hening-server run` does by default."""
    with serve(published_state.folder, GateMode.DIRECT) as served:
        yield served


def test_python_tuf_client(served, published_state, tmp_path):
    """python-tuf's own client refreshes, and downloads a package and a pointer."""
    url = f"http://127.0.0.1:{served.port}"
    updater = Updater(
        str(tmp_path),
        f"{url}/metadata/",
        str(tmp_path),
        f"{url}/targets/",
        bootstrap=published_state.folder.trusted_root.read_bytes(),
    )
    updater.refresh()
    for path, content in ((FIRST, PACKAGE_1), (CHANNEL.pointer_path, b"")):
        info = updater.get_targetinfo(path)
        assert Path(updater.download_target(info, f"{tmp_path}/target")).read_bytes() == content
    assert updater.get_targetinfo("armani/id/stable/none.zip") is None


def test_hening_device_tuf(served, published_state, tmp_path):
    """`hening-device tuf` refreshes, and downloads a package and a pointer."""
    url = f"http://127.0.0.1:{served.port}"
    command = [
        "tuf",
        *("--metadata-url", f"{url}/metadata/", "--metadata-dir", str(tmp_path / "metadata")),
        *("--target-name", FIRST, "--target-name", CHANNEL.pointer_path),
        *("--target-dir", str(tmp_path / "targets"), "--target-base-url", f"{url}/targets/"),
    ]
    root = published_state.folder.trusted_root
    for words in (["init", str(root)], ["refresh"], ["download"]):
        done = CliRunner().invoke(cli, [*command, *words])
        assert done.exit_code == 0, done.output
    stored = sorted(path.read_bytes() for path in (tmp_path / "targets").iterdir())
    assert stored == [b"", PACKAGE_1]
    held = (tmp_path / "metadata" / "timestamp.json").read_bytes()
    assert held == (published_state.folder.public / "metadata" / "timestamp.json").read_bytes()


@pytest.mark.needs("curl")
@pytest.mark.parametrize("option", [[], ["--compressed"], ["--http1.0"]])
def test_curl_reads_every_path(served, published_state, option, tmp_path):
    """Every public file, the package and the empty target reach curl unchanged."""
    public = published_state.folder.public
    files = {
        f"/{p.relative_to(public)}": p.read_bytes()
        for folder in ("metadata", "log")
        for p in (public / folder).rglob("*")
        if p.is_file()
    }
    files |= {PACKAGE: PACKAGE_1, POINTER: b""}
    config = []
    for number, path in enumerate(files):
        config += [
            f'url = "http://127.0.0.1:{served.port}{path}"',
            f'output = "{tmp_path}/{number}"',
        ]
    subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", *option, "--config", "-"],
        input="\n".join(config),
        text=True,
        check=True,
    )
    for number, (path, content) in enumerate(files.items()):
        file = tmp_path / str(number)
        assert (file.read_bytes() if content else b"") == content, path
