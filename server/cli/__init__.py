"""The command line: `hening-server init | run | rollout | check | migrate`.

Exit status: 0 done, 1 refused, 2 usage, 3 the surroundings failed.
"""

import sys

import click
from sqlalchemy.exc import SQLAlchemyError

from server.cli.rollout import rollout
from server.cli.state import check, init, migrate, run
from server.core.errors import HeningError
from server.storage.errors import StorageError


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (StorageError, OSError, SQLAlchemyError) as error:
        # A database error goes on with its statement and a link, which help nobody here.
        click.echo(f"hening-server: {str(error).partition(chr(10))[0]}", err=True)
        sys.exit(3)
    except HeningError as error:
        click.echo(f"hening-server: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Abort:
        sys.exit(130)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Serve signed updates to phones that say nothing about their owners."""


for command in (init, run, rollout, check, migrate):
    cli.add_command(command)
