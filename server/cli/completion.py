"""Names that a shell offers where a command takes a channel."""

import click

from server.core.errors import HeningError
from server.core.names import decode_release_path, is_codename
from server.place_options import find_completed
from server.storage.layout import StateFolder


def complete_channel(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the channels that the state's builds are in; none where no state is found."""
    from server.publisher.published import load_published

    state = find_completed(context, "state")
    if state is None:
        return []
    try:
        published = load_published(StateFolder(state).public)
    except (HeningError, OSError):  # said when the command runs
        return []
    roles = {} if published is None else published.roles
    paths = [path for name, role in roles.items() if is_codename(name) for path in role.targets]
    channels = {str(decode_release_path(path)[0]) for path in paths}
    return sorted(channel for channel in channels if channel.startswith(begun))
