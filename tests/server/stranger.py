"""Runs Schemathesis as a separate program, which knows only what a served schema says."""

import asyncio
import os
import sys


async def try_out(page, config, folder, *options, **environment):
    """Run Schemathesis in `folder` on a schema's address; return its exit status and its output."""
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
