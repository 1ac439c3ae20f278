"""The command line: `hening-server COMMAND`, with one module for each command or group.

Exit status: 0 done, 1 refused, 2 usage, 3 the environment failed, 130 stopped with Ctrl-C.
"""

import sys

try:
    import click

    from hening.lazy_command import LazyCommand, collect_rarely
    from hening.version import version_option
    from server.core.content.invisible import escape_invisible
    from server.core.errors import HeningError
    from server.place_options import explain_option
    from server.storage.errors import StorageError
except KeyboardInterrupt:
    # During imports `main` cannot catch it yet.
    sys.stderr.write("hening-server: stopped\n")
    sys.exit(130)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: hening-server run --state var/server --port 8080",
)
@version_option("hening-server")
@explain_option
def cli() -> None:
    """Serve signed updates to phones that reveal nothing about their owners.

    Exit status: 0 done, 1 refused, 2 usage, 3 the environment failed, 130 stopped.
    """


for command in (
    LazyCommand(
        "init",
        "server.cli.init:init",
        "Make the online keys; with --root, pin the root that all trust starts from.",
    ),
    LazyCommand(
        "run",
        "server.cli.state:run",
        "Serve phones, publish what arrives in STATE/incoming, and renew the online roles.",
    ),
    LazyCommand(
        "rollout",
        "server.cli.rollout:rollout",
        "Offer a release, raise its share, pause, halt or withdraw it.",
    ),
    LazyCommand(
        "change",
        "server.cli.change:change_group",
        "Show, approve, reject and cancel changes that wait.",
    ),
    LazyCommand("keys", "server.cli.keys:keys", "Rotate the keys that this server signs with."),
    LazyCommand(
        "check", "server.cli.state:check", "Verify a state folder and its database completely."
    ),
    LazyCommand("export", "server.cli.export:export", "Write the files that phones may request."),
    LazyCommand(
        "owner-page",
        "server.cli.export:owner_page",
        'Write the page "what your phone sends", which a ROM can host anywhere.',
    ),
    LazyCommand(
        "compat", "server.cli.compat:compat", "Show the dialects of existing Updater apps."
    ),
    LazyCommand(
        "gc",
        "server.cli.maintenance:gc",
        "Remove blobs that no served metadata, waiting bundle or upload names.",
    ),
    LazyCommand("migrate", "server.cli.init:migrate", "Migrate the database to this version."),
    LazyCommand("rebuild", "server.cli.maintenance:rebuild", "Rebuild the database."),
    LazyCommand(
        "backup",
        "server.cli.maintenance:backup",
        "Copy database, metadata, log, results and packages.",
    ),
    LazyCommand(
        "edge",
        "server.cli.edge:edge",
        "Take lagging device nodes out of the rotation of an nginx.",
    ),
    LazyCommand(
        "move",
        "server.cli.maintenance:move",
        "Move a server from one folder to PostgreSQL and S3.",
    ),
    LazyCommand(
        "account", "server.cli.account:account", "Manage the accounts of the control plane."
    ),
    LazyCommand("token", "server.cli.token:token", "Manage API tokens."),
    LazyCommand(
        "session", "server.cli.token:session_group", "Show and end sessions of the console."
    ),
    LazyCommand(
        "audit-log",
        "server.cli.audit_log:audit_log",
        "Read and verify the audit log of what people changed.",
    ),
    LazyCommand(
        "trail",  # the former name, kept for one version
        "server.cli.audit_log:audit_log",
        "The former name of `audit-log`.",
        is_hidden=True,
    ),
    LazyCommand("clock", "server.cli.clock:clock", "Show and confirm the clock."),
    LazyCommand("cloud", "server.cli.cloud:cloud", "Serve the owners' encrypted backup."),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and leave with its exit status."""
    collect_rarely()
    try:
        cli.main(prog_name="hening-server", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _print_error("stopped")
        sys.exit(130)
    except _find_failures() as error:
        # The other lines of a database error are its statement and a link, which do not help here.
        _print_error(str(error).partition("\n")[0])
        sys.exit(3)
    except HeningError as error:
        _print_error(str(error))
        sys.exit(1)


def _find_failures() -> tuple[type[Exception], ...]:
    """Return the errors that mean that the environment failed.

    They include SQLAlchemy's if a command has imported it. It is not imported here, because that
    takes long, and help does not need it.
    """
    database = sys.modules.get("sqlalchemy.exc")
    return (StorageError, OSError, *([database.SQLAlchemyError] if database else []))


def _print_error(message: str) -> None:
    click.echo(f"hening-server: {escape_invisible(message, lines=True)}", err=True)
