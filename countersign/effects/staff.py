"""Who works for the exchange: added by ops, and assigned to accounts, whose trails tell of it."""

from uuid import UUID

from countersign.domain.audit import AuditTag
from countersign.domain.errors import Conflict
from countersign.domain.names import parse_name
from countersign.domain.people import Role
from countersign.effects.people import parse_email
from countersign.effects.work import Desk, Work, found
from countersign.storage import accounts, users


async def add_staff(desk: Desk, user_id: UUID, *, name: str, email: str, role: Role) -> None:
    """Add an account manager or somebody of ops under the id that the identity provider gives.

    Raises ``Conflict`` for an id or an email that is somebody's already, ``InvalidName`` and ``InvalidInput``.
    """
    name, email = parse_name(name, limit=desk.rules.name_length), parse_email(email)
    async with desk.database.transaction() as connection:
        if await users.get(connection, user_id) is not None:
            raise Conflict(f"There is a user {user_id} already.")
        await users.insert(connection, user_id=user_id, name=name, email=email, staff_role=role)
        if await users.get(connection, user_id) is None:
            raise Conflict("Somebody else has that email address.")


async def assign(work: Work, user_id: UUID) -> None:
    """Let an account manager look after the account; raises ``Conflict`` for anybody else."""
    user = found(await users.get(work.connection, user_id))
    if user.staff_role is not Role.ACCOUNT_MANAGER:
        raise Conflict(f"{user.name} is no account manager.")
    if user_id in await accounts.members(work.connection, work.account.id):
        raise Conflict(f"{user.name} belongs to the account, and may not decide for it.")
    if not await accounts.is_assigned(work.connection, account_id=work.account.id, user_id=user_id):
        await accounts.assign_manager(work.connection, account_id=work.account.id, user_id=user_id)
        work.audit(AuditTag.MANAGER_ASSIGNED, user_id=str(user_id))


async def withdraw(work: Work, user_id: UUID) -> None:
    """Let the account manager look after the account no more; raises ``Conflict`` if he or she does not."""
    if not await accounts.is_assigned(work.connection, account_id=work.account.id, user_id=user_id):
        raise Conflict("This account manager does not look after the account.")
    await accounts.withdraw_manager(work.connection, account_id=work.account.id, user_id=user_id)
    work.audit(AuditTag.MANAGER_WITHDRAWN, user_id=str(user_id))
