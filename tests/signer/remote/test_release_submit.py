"""`release submit` with the real API: published, refused and cut off uploads."""

import asyncio
import contextlib
import io
import os
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime

import pytest
from tuf.api.metadata import Metadata

from server.settings import Settings
from signer.cli import main
from signer.cli.runtime import Runtime
from signer.remote.connection import TRIES
from signer.remote.submitter import load_outgoing, make_outgoing
from tests.cases import case
from tests.fault_proxy import Fault, run_fault_proxy
from tests.patience import until
from tests.server.ceremony import release, write_bundle
from tests.server.release.api_world import api_world
from tests.server.release.certificate import write_certificate
from tests.server.world import FIRST, PACKAGE_1, SECOND

PACKAGE = b"PK\x03\x04" + bytes(range(256)) * 20_000
TOKEN = "engineer"
KEPT = {FIRST: (PACKAGE_1, release(1))}
NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Harness:
    """A signer's machine: bundles, a token file, and the tool's pauses."""

    def __init__(self, folder):
        self.folder = folder
        self.outgoing = folder / "outgoing"
        self.outgoing.mkdir()
        self.token = folder / "token"
        self.token.touch(0o600)
        self.token.write_text(f"{TOKEN}\n")
        self.pauses = []

    def bundle(self, files, blobs):
        """Lay a bundle as `--out` does and return its folder."""
        return self.outgoing / write_bundle(self.outgoing, files, blobs)

    def submit(self, port, *arguments):
        """Run the command; return its exit status and all its output."""
        written = io.StringIO()
        runtime = Runtime(datetime.now(UTC), os.urandom, {}, float, self.pauses.append)
        place = ("--to", f"http://127.0.0.1:{port}", "--token-file", str(self.token))
        with redirect_stdout(written), redirect_stderr(written):
            status = main(["release", "submit", *place, *map(str, arguments)], runtime)
        return status, written.getvalue()


@pytest.fixture
def harness(tmp_path):
    """Return a signer's machine."""
    folder = tmp_path / "signer"
    folder.mkdir()
    return Harness(folder)


@pytest.fixture
async def served(world):
    """Serve the API, with a publisher that looks when it is woken."""
    wanted = asyncio.Event()
    async with api_world(world, wake=wanted.set) as api:

        async def publish():
            while True:
                await wanted.wait()
                wanted.clear()
                await api.services.publisher.process_incoming()

        publishing = asyncio.create_task(publish())
        yield api
        publishing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await publishing


@pytest.fixture
def bundle(harness, world):
    """Give a bundle with the second release, whose package has 5 MB."""
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE, release(2))}
    role = world.ceremony.role("armani", 3, files)
    blobs = {sha256: data for sha256, data in world.ceremony.blobs.items() if data == PACKAGE}
    return harness.bundle({("armani", 3): role}, blobs)


async def test_submit_release(harness, bundle, served, world):
    """Missing blobs are sent, others are not; the same command again changes nothing."""
    status, written = await asyncio.to_thread(harness.submit, served.port, bundle)
    assert (status, TOKEN in written) == (0, False), written
    assert f"snapshot 4; bundle {bundle.name}, 5.12 MB of packages were sent." in written
    assert SECOND in (await asyncio.to_thread(world.published)).roles["armani"].targets
    status, written = await asyncio.to_thread(harness.submit, served.port, "--json", bundle)
    assert status == 0
    assert f'"bundle": "{bundle.name}", "sent": 0, "snapshot": 4' in written
    assert harness.pauses == []


async def test_large_submission(harness, served, world):
    """18 MB of metadata go in one bundle and are published together, despite a lost connection."""
    files = {}
    for version in range(3, 7):
        metadata = Metadata.from_bytes(world.ceremony.role("armani", version, KEPT))
        metadata.signed.unrecognized_fields["x"] = "x" * 4_500_000
        files["armani", version] = world.ceremony.sign("armani", metadata.signed)
    bundle = harness.bundle(files, {})
    with run_fault_proxy(served.port) as proxy:
        proxy.fault, proxy.limit, proxy.times = Fault.CUT_REQUEST, 9_000_000, 1
        status, written = await asyncio.to_thread(harness.submit, proxy.port, bundle)
    assert (status, harness.pauses) == (0, [0.5]), written
    assert sum(map(len, files.values())) > 17 << 20
    assert (await asyncio.to_thread(world.published)).roles["armani"].version == 6
    # The result is written before the bundle is removed.
    await asyncio.to_thread(until, lambda: not list(world.folder.incoming.iterdir()))


async def test_lost_connections(harness, bundle, served):
    """A failing server is asked again with doubling pauses, and the message says how to go on.

    After a connection is lost within the package, the upload continues where it ended.
    """
    with run_fault_proxy(served.port) as proxy:
        proxy.fault = Fault.ERROR
        status, written = await asyncio.to_thread(harness.submit, proxy.port, bundle)
        assert (status, harness.pauses) == (3, [0.5, 1, 2, 4, 8, 16, 32])
        assert len(harness.pauses) == TRIES - 1
        assert "does not answer" in written
        assert "run the same command again later" in written
        harness.pauses.clear()
        proxy.fault, proxy.limit, proxy.times = Fault.CUT_REQUEST, 3_000_000, 2
        status, written = await asyncio.to_thread(harness.submit, proxy.port, bundle)
    assert status == 0, written
    assert harness.pauses


async def test_own_certificate_authority(harness, bundle, world, tmp_path):
    """Without `--ca` the certificate is refused before the token is sent."""
    cert, key, _ = write_certificate(tmp_path)
    settings = Settings(api_port=0, api_cert=str(cert), api_key=str(key))
    async with api_world(world, settings=settings) as api:
        url = ("--to", f"https://127.0.0.1:{api.port}")
        status, written = await asyncio.to_thread(harness.submit, 1, *url, bundle)
        assert (status, "certificate with --ca" in written) == (3, True)
        assert (
            api.registry.get_sample_value(
                "hening_api_requests_total", {"operation": "get_blob", "status": "4xx"}
            )
            == 0
        )
        harness.token.write_text("viewer")
        status, written = await asyncio.to_thread(harness.submit, 1, *url, "--ca", cert, bundle)
        assert (status, "is not allowed to upload" in written) == (1, True)


async def test_refused_submissions(harness, bundle, served, world):
    """Missing rights, an unknown token, a wrong version and changed packages are reported.

    The server detects other bytes of the same length; nothing is left there.
    """
    wrong = harness.bundle({("armani", 9): world.ceremony.role("armani", 9)}, {})
    (path,) = (bundle / "blobs").iterdir()
    changed = "is not the file that was signed"
    for token, submitted, data, sentence in (
        ("viewer", bundle, PACKAGE, "is not allowed to upload"),
        ("nobody-knows-it", bundle, PACKAGE, "valid token"),
        (TOKEN, wrong, PACKAGE, "refuses the bundle: armani 9 was submitted; 3 comes next."),
        (TOKEN, bundle, PACKAGE[::-1], changed),
        (TOKEN, bundle, PACKAGE[:-1], changed),
    ):
        harness.token.write_text(token)
        path.write_bytes(data)
        with case(sentence):
            status, written = await asyncio.to_thread(harness.submit, served.port, submitted)
            assert (status, sentence in written) == (1, True), written
            assert "nobody-knows-it" not in written
            assert harness.pauses == []
    path.write_bytes(PACKAGE)
    status, written = await asyncio.to_thread(harness.submit, served.port, bundle)
    assert status == 0, written


def test_out_and_to_exclude_each_other(harness, bundle):
    """`ceremony submit` needs either a folder or a server."""
    for place in ((), ("--out", harness.outgoing, "--to", "https://updates.example")):
        arguments = ("ceremony", "submit", "--repo", harness.folder, *place, bundle / "bundle.json")
        written = io.StringIO()
        with redirect_stdout(written), redirect_stderr(written):
            assert main([*map(str, arguments)], Runtime(NOW, os.urandom, {})) == 2
        assert "--to" in written.getvalue()


def test_make_outgoing(bundle):
    """A bundle made from the working folder equals that of `--out`."""
    loaded = load_outgoing(bundle)
    made = make_outgoing({("armani", 3): loaded.roles[0]}, [*loaded.blobs] * 2)
    assert made == loaded


def test_invalid_token_file(harness, bundle):
    """The mode and the form are checked; no message quotes the token."""
    for text, mode, sentence in (
        ("secret-token", 0o644, "Others may read"),
        ("secret-token\nX-Other: 1", 0o600, "not an API token"),
        ("secret token", 0o600, "not an API token"),
        ("", 0o600, "not an API token"),
    ):
        harness.token.write_text(text)
        harness.token.chmod(mode)
        status, written = harness.submit(1, bundle)
        assert status == 1
        assert sentence in written
        assert "secret" not in written


def test_invalid_addresses(harness, bundle):
    """Plain http is for this machine only; an address is scheme, host and port."""
    for url in (
        "http://updates.example",
        "http://10.0.0.1:8081",
        "http://127.0.0.1.example",
        "https://updates.example/path",
        "updates.example",
    ):
        with case(url):
            status, written = harness.submit(1, "--to", url, bundle)
            assert status == 2
            assert "--to" in written


def test_invalid_bundle(harness, bundle):
    """A folder without bundle or with changed files is refused before anything is sent."""
    status, written = harness.submit(1, harness.outgoing)
    assert (status, "bundle.json does not exist" in written) == (1, True)
    (bundle / "metadata" / "3.armani.json").write_bytes(b"{}")
    status, written = harness.submit(1, bundle)
    assert (status, "is not the file that was signed" in written) == (1, True)
