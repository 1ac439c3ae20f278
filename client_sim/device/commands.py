"""The commands about a phone on disk: it is made, polls, installs, is looked at and reset."""

from typing import Final

import click

from client_sim.device.create_command import create_command
from client_sim.device.owner_commands import reset_command, settings_command, show_command
from client_sim.device.update_commands import install_command, poll_command

_SETTINGS: Final = {"help_option_names": ["-h", "--help"]}


@click.group(
    context_settings=_SETTINGS,
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device poll --phone var/phone --explain\n"
        "\n"
        "\b\n"
        "Exit status: 0 done, 1 refused, 2 usage, 3 the surroundings failed (network,\n"
        "disk, no such folder), 130 stopped with Ctrl-C.\n"
    ),
)
@click.version_option(package_name="hening")
def cli() -> None:
    """Simulate phones that ask for updates without saying who they are."""


for _command in (
    create_command,
    poll_command,
    install_command,
    show_command,
    settings_command,
    reset_command,
):
    cli.add_command(_command)
