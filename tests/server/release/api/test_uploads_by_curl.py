"""The commands of docs/how-to/upload.md, run by a shell."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.server.ceremony import write_bundle
from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_2, SECOND

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "upload.md"


@pytest.mark.needs("curl")
async def test_a_bundle_by_hand(world, tmp_path):
    """A package is uploaded and its role submitted with curl; the last answer says published."""
    script = re.search(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    (tmp_path / "incoming").mkdir()
    files = world.second_release()
    sent = {sha256: data for sha256, data in world.ceremony.blobs.items() if data == PACKAGE_2}
    write_bundle(tmp_path / "incoming", files, sent)
    is_submitted = asyncio.Event()
    async with api_world(world, wake=is_submitted.set) as api:

        async def publish():
            await is_submitted.wait()
            await api.services.publisher.process_incoming()

        publishing = asyncio.create_task(publish())
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            script.replace("http://127.0.0.1:8081", api.url),
            cwd=tmp_path,
            env={"TOKEN": "engineer", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, (out + err).decode()
        await publishing
    assert b'"status":"published"' in out
    assert SECOND in (await asyncio.to_thread(world.published)).roles["armani"].targets
