"""The command line: `hening-server COMMAND`, one module a command or group of commands.

Exit status: 0 done, 1 refused, 2 usage, 3 the surroundings failed, 130 stopped with Ctrl-C.
"""

import sys

try:
    import click
    from sqlalchemy.exc import SQLAlchemyError

    from server.cli.account import account
    from server.cli.backup import backup
    from server.cli.change import change_group
    from server.cli.clock import clock
    from server.cli.export import export
    from server.cli.gc import gc
    from server.cli.keys import keys
    from server.cli.rebuild import rebuild
    from server.cli.rollout import rollout
    from server.cli.session import session_group
    from server.cli.state import check, init, migrate, run
    from server.cli.token import token
    from server.cli.trail import trail
    from server.core.content.invisible import escape_invisible
    from server.core.errors import HeningError
    from server.storage.errors import StorageError
except KeyboardInterrupt:
    # The imports take longer than many a command does, and nobody is there yet to catch it.
    sys.stderr.write("hening-server: stopped\n")
    sys.exit(130)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: hening-server run --state var/server --port 8080",
)
@click.version_option(package_name="hening", prog_name="hening-server")
def cli() -> None:
    """Serve signed updates to phones that say nothing about their owners.

    Exit status: 0 done, 1 refused, 2 usage, 3 the surroundings failed, 130 stopped.
    """


for command in (
    *(init, run, rollout, change_group, keys, check, export, gc, migrate, rebuild, backup),
    *(account, token, session_group, trail, clock),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        cli.main(prog_name="hening-server", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _tell("stopped")
        sys.exit(130)
    except (StorageError, OSError, SQLAlchemyError) as error:
        # A database error goes on with its statement and a link, which help nobody here.
        _tell(str(error).partition("\n")[0])
        sys.exit(3)
    except HeningError as error:
        _tell(str(error))
        sys.exit(1)


def _tell(message: str) -> None:
    click.echo(f"hening-server: {escape_invisible(message, lines=True)}", err=True)
