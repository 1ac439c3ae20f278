"""Who asks: a program's name and token, and what its account may keep, in one statement."""

import hmac
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import check_fits, refuse_pepper, refuse_suspended
from server.cloud.accounts.sessions import Door, hash_token
from server.cloud.blobs.vaults import is_vault
from server.cloud.errors import CloudError, not_found
from server.cloud.secrets import Secrets
from server.cloud.storage.models import Account, AppToken, Site, Vault

# Statements on tables that are made once: making one anew takes longer than SQLite does for it.
_SITE, _ACCOUNTS, _TOKENS, _VAULTS = (
    cast("Table", each.__table__).c for each in (Site, Account, AppToken, Vault)
)
_FIND = (
    select(
        _SITE.pepper,
        _ACCOUNTS.id,
        _ACCOUNTS.name_hash,
        _ACCOUNTS.suspended,
        _ACCOUNTS.consent_version,
        _ACCOUNTS.quota,
        _ACCOUNTS.used,
        _ACCOUNTS.is_closed,
        _TOKENS.reads_only,
        _VAULTS.id.label("vault"),
    )
    .select_from(cast("Table", Site.__table__))
    .join(
        cast("Table", AppToken.__table__),
        (_TOKENS.token_sha256 == bindparam("token")) & (_TOKENS.door == Door.BLOBS.value),
    )
    .join(cast("Table", Account.__table__), _ACCOUNTS.id == _TOKENS.account)
    .outerjoin(
        cast("Table", Vault.__table__),
        (_VAULTS.account == _ACCOUNTS.id) & (_VAULTS.name == bindparam("vault")),
    )
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A program that showed a valid token: whose it is, and whether it may change anything.

    `consent_version` is the policy's that the owner agreed to; `quota` and `used` are bytes.
    """

    account: str
    reads_only: bool
    consent_version: int
    quota: int
    used: int
    is_closed: bool
    found_vault: int | None

    @property
    def vault(self) -> int:
        """The number of the vault that is asked for; raises CloudError where there is none."""
        if self.found_vault is None:
            raise not_found("vault")
        return self.found_vault

    def check_may_write(self) -> None:
        """Raise CloudError for a token that only reads."""
        if self.reads_only:
            raise CloudError(403, "reads_only", "this token reads only; make another one.")

    def check_room(self, added: int) -> None:
        """Raise CloudError unless `added` bytes more are within the account's quota."""
        check_fits(self.quota, self.used, added, is_closed=self.is_closed)


async def find_visitor(
    db: AsyncSession, secrets: Secrets, name: str, token: str, vault: str
) -> Visitor:
    """Return who shows a name and a token; raises CloudError, the same for any that is wrong."""
    connection = await db.connection()
    asked = {"token": hash_token(token), "vault": vault if is_vault(vault) else ""}
    row = (await connection.execute(_FIND, asked)).one_or_none()
    if row is not None and row.pepper != secrets.mark:
        raise refuse_pepper()
    if row is None or not hmac.compare_digest(row.name_hash, secrets.name_hash(name)):
        raise CloudError(401, "invalid_token", "name and token do not belong together.")
    if row.suspended:
        raise refuse_suspended()
    return Visitor(
        row.id,
        row.reads_only,
        row.consent_version,
        row.quota,
        row.used,
        row.is_closed,
        row.vault,
    )
