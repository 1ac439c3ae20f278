"""A token of the database, for tests that need one."""

from server.release.auth.principal import command_line_principal
from server.release.auth.tokens import create_token


async def issue_token(services, account, permissions=None, seconds=86_400):
    """Make a token of an account and return its text."""
    at = services.epoch()
    async with services.sessions.begin() as session:
        issued = await create_token(
            session,
            command_line_principal("root"),
            services.entropy,
            account=account,
            label="test",
            permissions=permissions,
            expires_at=at + seconds,
            at=at,
        )
    return issued.text
