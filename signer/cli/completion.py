"""Names that a shell offers where a command takes a channel, or a part of one."""

import click

from server.core.errors import HeningError
from server.core.names import Channel, decode_release_path
from server.place_options import find_completed
from signer.errors import SignerError


def complete_channel(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the channels of signed releases; none where no working folder is found."""
    return sorted(each for each in map(str, _list_channels(context)) if each.startswith(begun))


def complete_part(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Return what `--codename`, `--region` or `--channel` is in signed releases.

    Where one of the others is on the line already, only what goes with it.
    """
    wanted = str(parameter.name)
    found = set()
    for channel in _list_channels(context):
        parts = {
            "codename": channel.codename,
            "region": channel.region,
            "channel": channel.channel,
        }
        part = parts.pop(wanted)
        if all(context.params.get(name) in (None, other) for name, other in parts.items()):
            found.add(part)
    return sorted(part for part in found if part.startswith(begun))


def _list_channels(context: click.Context) -> set[Channel]:
    from signer.release.sign import list_releases
    from signer.work_folder import WorkFolder

    repo = find_completed(context, "repo")
    if repo is None:
        return set()
    try:
        listed = list_releases(WorkFolder(repo))
    except (SignerError, HeningError, OSError):  # said when the command runs
        return []
    return {decode_release_path(path)[0] for role in listed for path in role.releases}
