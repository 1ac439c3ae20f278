"""The trail's part of `hening-server check`."""

from server.core.errors import HeningError
from server.publisher.checks.finding import Finding
from server.release.people.trail_verify import verify_trail
from server.storage.database import Sessions


async def check_trail(sessions: Sessions) -> Finding:
    """Verify every entry of the trail; changes nothing."""
    try:
        async with sessions() as session:
            found = await verify_trail(session)
    except HeningError as error:
        return Finding("trail", "", str(error))
    return Finding("trail", f"{found.length} entries, each as it was recorded")
