"""The command line of the signer.

Exit status: 0 done, 1 refused, 2 wrong usage, 3 the surroundings failed (disk, permissions). An
error is one sentence on standard error. The clock, the environment and the system's randomness are
read here, once, and handed down.
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from server.core.errors import HeningError
from signer.cli.ceremony import ceremony_commands
from signer.cli.keys import keys_commands
from signer.cli.ota import ota_commands
from signer.cli.release import release_commands
from signer.cli.surroundings import Surroundings
from signer.errors import SignerError

DONE, REFUSED, USAGE, FAILED = 0, 1, 2, 3


@click.group(
    name="hening-signer",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: hening-signer ota inspect armani-id-2-full.zip",
)
@click.version_option(package_name="hening")
def cli() -> None:
    """Make keys, sign releases and hand them to the server, all offline.

    Exit status: 0 done, 1 refused, 2 wrong usage, 3 the surroundings failed.
    """


for _group in (keys_commands, ceremony_commands, ota_commands, release_commands):
    cli.add_command(_group)


def main(arguments: Sequence[str] | None = None, surroundings: Surroundings | None = None) -> int:
    """Run one command and return its exit status."""
    if surroundings is None:
        surroundings = Surroundings(datetime.now(UTC), os.urandom, os.environb)
    try:
        status = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="hening-signer",
            obj=surroundings,
            standalone_mode=False,
        )
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.Abort:
        return _fail("Stopped; the same command completes what was begun.", REFUSED)
    except (SignerError, HeningError) as error:
        return _fail(str(error), REFUSED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(
            f"{place}{error.strerror or error}; mend that and run the command again.", FAILED
        )
    # `--help` and `--version` make click return a status; commands return nothing.
    return status if isinstance(status, int) else DONE


def _fail(sentence: str, status: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return status
