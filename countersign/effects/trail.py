"""What the audit trails are told in one transaction: kept until its end, and appended at once."""

from dataclasses import dataclass, field
from uuid import UUID

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.domain.audit import Place, Recorded, canonical
from countersign.storage import ledger
from countersign.storage.database import Connection


@dataclass(frozen=True)
class Trail:
    """The audit events of a transaction, by account; each account is locked when its first event is added."""

    connection: Connection
    keys: KeyRing
    _heads: dict[UUID, Place] = field(default_factory=dict)
    _events: dict[UUID, list[Recorded]] = field(default_factory=dict)

    def begin(self, account_id: UUID, head: Place) -> None:
        """Note where the chain of a locked account ends."""
        self._heads[account_id] = head

    def add(self, account_id: UUID, event: Recorded) -> None:
        """Keep an event, without number and MAC as yet."""
        self._events.setdefault(account_id, []).append(event)

    async def store(self) -> None:
        """Append the events to their accounts' chains; raises ``NotCanonical`` for details with floats."""
        for account_id, events in self._events.items():
            head = self._heads.get(account_id) or await ledger.head(self.connection, account_id)
            await ledger.append(self.connection, self._chained(events, head), after=head)

    def _chained(self, events: list[Recorded], last: Place) -> list[Recorded]:
        chained = []
        for event in events:
            numbered = event._replace(number=last.number + 1)
            mac = self.keys.mac(Purpose.AUDIT, last.mac + canonical(numbered))
            chained.append(numbered._replace(mac=mac))
            last = Place(numbered.number, mac)
        return chained
