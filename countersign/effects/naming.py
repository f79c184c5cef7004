"""What ops mean by what they type: a credential or an account, by the names that people know."""

from countersign.domain.errors import Conflict, NotFound
from countersign.domain.secrets import normalize_session_name
from countersign.storage import looking_up
from countersign.storage.accounts import Account
from countersign.storage.credentials import Credential
from countersign.storage.database import Connection


async def credential_called(connection: Connection, text: str) -> Credential:
    """Return the credential with that API key, Session Name or id; raises ``NotFound``."""
    for written in (text.strip(), normalize_session_name(text)):
        if found := await looking_up.credential(connection, written):
            return found[0]
    raise NotFound("There are no such credentials.")


async def account_called(connection: Connection, text: str) -> Account:
    """Return the account with that id or whole name; raises ``NotFound``, and ``Conflict`` where several have it."""
    found = await looking_up.accounts_called(connection, text.strip())
    if not found:
        raise NotFound("There is no such account; give its id or its whole name.")
    if len(found) > 1:
        raise Conflict("Several accounts have that name; give the id.")
    return found[0]
