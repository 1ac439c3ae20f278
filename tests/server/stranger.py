"""Schemathesis as a program of its own: it knows of a server what its page says."""

import asyncio
import os
import sys


async def try_out(page, config, folder, *options, **environment):
    """Run Schemathesis in `folder` on the page at an address; return its status and its words."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "schemathesis.cli"),
        *("--config-file", str(config), "--no-color", "run", page, *options),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode()
