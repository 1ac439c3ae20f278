"""`hening-device`: a phone on disk that polls, installs and starts again; and the privacy lab.

Exit status: 0 done, 1 refused, 2 usage, 3 the surroundings failed (network, disk, no such folder),
130 stopped with Ctrl-C. `hening-device tuf` knows 0 and 1 alone.
"""

import sys

try:
    import click

    from client_sim.device.commands import cli
    from client_sim.device.errors import DeviceError, StorageError, UnreachableError
    from client_sim.fleet.errors import FleetError
    from client_sim.fleet.errors import SurroundingsError as FleetSurroundingsError
    from client_sim.lazy_commands import LazyCommands
except KeyboardInterrupt:
    # The imports take longer than many a command does, and nobody is there yet to catch it.
    sys.stderr.write("hening-device: stopped\n")
    sys.exit(130)

# A poll needs neither the lab nor the fleet, whose imports take longer than its own.
cli.commands = LazyCommands(
    {
        "content": "client_sim.content.commands:content",
        "live": "client_sim.life.commands:live_command",
        "lab": "client_sim.lab.commands:lab",
        "fleet": "client_sim.fleet.commands:fleet",
        "tuf": "client_sim.tuf.commands:tuf",
    },
    cli.commands,
)


def main() -> None:
    """Run the command line and exit with the documented status."""
    try:
        status = cli.main(prog_name="hening-device", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        raise SystemExit(2) from None
    except click.ClickException as error:
        _tell(error.format_message())
        raise SystemExit(1) from None
    except (click.Abort, KeyboardInterrupt):
        _tell("stopped")
        raise SystemExit(130) from None
    except (DeviceError, FleetError, OSError) as error:
        _tell(str(error))
        raise SystemExit(find_status(error)) from None
    sys.exit(status if isinstance(status, int) else 0)


def find_status(error: DeviceError | FleetError | OSError) -> int:
    """Return the exit status for an error: 1 refused, 3 the surroundings failed."""
    failed = UnreachableError | StorageError | FleetSurroundingsError | OSError
    return 3 if isinstance(error, failed) else 1


def _tell(message: str) -> None:
    click.echo(f"hening-device: {message}", err=True)
