"""The command line of the signer.

Exit status: 0 done, 1 refused, 2 wrong usage, 3 the environment failed (disk, permissions, a
missing folder), 130 stopped by Control-C or SIGTERM. An error is one sentence on standard error.
The clock, the environment and the system's randomness are read here, once, and passed down.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

try:
    import click

    from hening.lazy_command import LazyCommand, collect_rarely
    from hening.version import version_option
    from server.core.errors import HeningError
    from server.place_options import explain_option
    from signer.cli.output import DONE, FAILED, REFUSED, STOPPED, USAGE, describe, report
    from signer.cli.runtime import Runtime, harden_process, take_environment
    from signer.errors import EnvironmentFailedError, Interrupted, SignerError
except KeyboardInterrupt:
    sys.stderr.write("hening-signer: Stopped.\n")
    sys.exit(130)


@click.group(
    name="hening-signer",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: hening-signer ota inspect armani-id-2-full.zip",
)
@version_option("hening-signer")
@explain_option
def cli() -> None:
    """Make keys, sign releases and submit them to a server, all offline.

    Exit status: 0 done, 1 refused, 2 wrong usage, 3 the environment failed, 130 stopped.
    """


for _group in (
    LazyCommand(
        "quickstart",
        "signer.cli.quickstart:quickstart_command",
        "Make keys, sign a first root and set up a server, for one person.",
    ),
    LazyCommand(
        "keys",
        "signer.cli.keys:keys_commands",
        "Make signing keys, exchange their public halves, list which key signs what.",
    ),
    LazyCommand(
        "ceremony",
        "signer.cli.ceremony:ceremony_commands",
        "Decide which keys sign each role and how many must, and sign the change.",
    ),
    LazyCommand(
        "ota", "signer.cli.ota:ota_commands", "Inspect the OTA zips that a ROM build makes."
    ),
    LazyCommand(
        "release",
        "signer.cli.release:release_commands",
        "Sign packages as releases, withdraw them, and list what is signed.",
    ),
    LazyCommand(
        "content",
        "signer.cli.content:content_commands",
        "Build packs of tables and texts, and sign the packs that phones get.",
    ),
    LazyCommand("log", "signer.cli.log:log_commands", "Audit the transparency log."),
    LazyCommand(
        "cloud", "signer.cli.cloud:cloud_commands", "Sign the policy of a region of the cloud."
    ),
):
    cli.add_command(_group)


def main(arguments: Sequence[str] | None = None, runtime: Runtime | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        if runtime is None:
            # Only when run as a program: a caller that passes a runtime goes on using its process.
            collect_rarely()
            harden_process()
            # Like Control-C: the work can be completed later, and a message says how.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            environment = take_environment(os.environb)
            runtime = Runtime(
                datetime.now(UTC), os.urandom, environment, time.monotonic, time.sleep
            )
        status = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="hening-signer",
            obj=runtime,
            standalone_mode=False,
        )
    except click.UsageError as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt) as error:
        # click turns the interruption into Abort, and keeps it as the cause.
        cause = error.__cause__
        report(f"Stopped; {cause}." if isinstance(cause, Interrupted) else "Stopped.")
        return STOPPED
    except (EnvironmentFailedError, OSError) as error:
        report(describe(error))
        return FAILED
    except (SignerError, HeningError) as error:
        report(describe(error))
        return REFUSED
    # `--help` and `--version` make click return a status; commands return nothing.
    return status if isinstance(status, int) else DONE
