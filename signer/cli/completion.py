"""Names that a shell offers where a command takes a channel."""

import click

from server.core.errors import HeningError
from server.core.names import decode_release_path
from server.place_options import find_completed
from signer.errors import SignerError


def complete_channel(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the channels of signed releases; none where no working folder is found."""
    from signer.release.sign import list_releases
    from signer.work_folder import WorkFolder

    repo = find_completed(context, "repo")
    if repo is None:
        return []
    try:
        listed = list_releases(WorkFolder(repo))
    except (SignerError, HeningError, OSError):  # said when the command runs
        return []
    channels = {str(decode_release_path(path)[0]) for role in listed for path in role.releases}
    return sorted(channel for channel in channels if channel.startswith(begun))
