"""`hening-device`: simulates a phone that polls, installs and reboots, and runs the privacy lab.

Exit status: 0 done, 1 refused, 2 usage, 3 the environment failed (network, disk, no such folder),
130 stopped with Ctrl-C. `hening-device tuf` uses only 0 and 1.
"""

import sys

try:
    import click

    from client_sim.cloud.errors import CloudError, StoreError, UnavailableError
    from client_sim.compat.errors import AwayError, DialectError
    from client_sim.device.errors import DeviceError, StorageError, UnreachableError
    from client_sim.fleet.errors import EnvironmentFailedError as FleetEnvironmentFailedError
    from client_sim.fleet.errors import FleetError
    from hening.lazy_command import LazyCommand, collect_rarely
    from hening.version import version_option
except KeyboardInterrupt:
    # `main`, which handles Ctrl-C otherwise, does not run yet.
    sys.stderr.write("hening-device: stopped\n")
    sys.exit(130)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device poll --phone var/phone --explain\n"
        "\n"
        "\b\n"
        "Exit status: 0 done, 1 refused, 2 usage, 3 the environment failed (network,\n"
        "disk, no such folder), 130 stopped with Ctrl-C.\n"
    ),
)
@version_option("hening-device")
def cli() -> None:
    """Simulate phones that poll for updates without identifying themselves."""


# A poll needs neither the lab nor the fleet, whose imports take longer than its own.
for _command in (
    LazyCommand(
        "create",
        "client_sim.device.phone_commands:create_command",
        "Make a phone that runs the build in a full OTA zip.",
    ),
    LazyCommand(
        "prove",
        "client_sim.device.update_commands:prove_command",
        "Install a package on a throw-away phone, and write a report for the signer.",
    ),
    LazyCommand(
        "poll",
        "client_sim.device.update_commands:poll_command",
        "Poll the server once; install nothing.",
    ),
    LazyCommand(
        "install",
        "client_sim.device.update_commands:install_command",
        "Poll, install the offered build, reboot, and confirm the build or fall back.",
    ),
    LazyCommand(
        "show",
        "client_sim.device.phone_commands:show_command",
        "Show a phone's image, build and state; sends nothing.",
    ),
    LazyCommand(
        "settings",
        "client_sim.device.phone_commands:settings_command",
        "Set when updates may install themselves; polling does not depend on any of it.",
    ),
    LazyCommand(
        "reset",
        "client_sim.device.phone_commands:reset_command",
        "Reset a phone to the state in which it left the factory.",
    ),
    LazyCommand(
        "content",
        "client_sim.content.commands:content",
        "Use the public tables and texts that every phone has fetched.",
    ),
    LazyCommand(
        "cloud",
        "client_sim.cloud.commands:cloud_group",
        "Keep an encrypted backup of contacts, notes, messages and photos.",
    ),
    LazyCommand(
        "live",
        "client_sim.owner_events.commands:live_command",
        "Simulate events of a phone and its owner.",
    ),
    LazyCommand(
        "lab",
        "client_sim.lab.commands:lab",
        "Prove what a phone's polling says about its owner.",
    ),
    LazyCommand(
        "fleet",
        "client_sim.fleet.commands:fleet",
        "Let many phones poll, download and install, and report what the server saw.",
    ),
    LazyCommand(
        "compat",
        "client_sim.compat.commands:compat_command",
        "Show what a deployment would offer to an existing Updater app.",
    ),
    LazyCommand(
        "tuf",
        "client_sim.tuf.commands:tuf",
        "Let a conformance suite for TUF clients test the phone's trust code.",
    ),
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line and exit with the documented status."""
    collect_rarely()
    try:
        status = cli.main(prog_name="hening-device", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        raise SystemExit(2) from None
    except click.ClickException as error:
        _print_error(error.format_message())
        raise SystemExit(1) from None
    except (click.Abort, KeyboardInterrupt):
        _print_error("stopped")
        raise SystemExit(130) from None
    except (CloudError, DeviceError, DialectError, FleetError, OSError) as error:
        _print_error(str(error))
        raise SystemExit(find_status(error)) from None
    sys.exit(status if isinstance(status, int) else 0)


def find_status(error: CloudError | DeviceError | DialectError | FleetError | OSError) -> int:
    """Return the exit status for an error: 1 refused, 3 the environment failed."""
    device = UnreachableError | StorageError | AwayError
    failed = device | UnavailableError | StoreError | FleetEnvironmentFailedError | OSError
    return 3 if isinstance(error, failed) else 1


def _print_error(message: str) -> None:
    click.echo(f"hening-device: {message}", err=True)
