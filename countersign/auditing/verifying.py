"""Verifying audit trails: every event of every account against its chain, its head and the checkpoints."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from heapq import merge
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from uuid import UUID

from countersign.adapters.checkpoint_file import CheckpointFile
from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose
from countersign.adapters.signatures import is_signed
from countersign.auditing.export_file import ExportFile
from countersign.domain.audit import GENESIS, Place, Recorded
from countersign.domain.audit_chain import Fault, Finding, Mac, Piece, Trail
from countersign.domain.checkpoints import Checkpoint, Checkpoints, Signed
from countersign.domain.explaining import Explanations, Standing, difference, tells_all
from countersign.storage.audit_reading import Snapshot

_NOWHERE = Place(0, GENESIS)
_UNSIGNED = "has no MAC, and is younger than the first checkpoint"
_PLACE = itemgetter(0, 1)  # account and number


@dataclass
class Report:
    """What was found, and how much was looked at; ``unjudged`` credentials may be told of in archives not given."""

    findings: list[Finding] = field(default_factory=list)
    events: int = 0
    accounts: int = 0
    unchained: int = 0
    elsewhere: int = 0
    newer_than_checkpoint: int = 0
    unjudged: int = 0
    incomplete: set[str] = field(default_factory=set)
    explanations: Explanations = field(default_factory=Explanations)
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True)
class Verifier:
    """Verifies under the keys of a ring; those of purposes ``audit`` and ``checkpoint`` are needed."""

    keys: KeyRing

    def verify_database(
        self,
        snapshot: Snapshot,
        account_id: UUID | None = None,
        *,
        checkpoint_file: Path | None = None,
        archives: Iterable[Path] = (),
    ) -> Report:
        """Verify what the database holds, together with the archives."""
        files = [ExportFile(path) for path in archives]
        checkpoints = self.checkpoints(snapshot, checkpoint_file)
        account = None if account_id is None else str(account_id)
        streams = [snapshot.events(account_id), *(file.events(account) for file in files)]
        heads = snapshot.heads(account_id)
        if account is not None:
            heads.setdefault(account, _NOWHERE)
            checkpoints.keep_only(account)
        # An account that only a checkpoint knows of was removed whole.
        for known in checkpoints.marks:
            heads.setdefault(known, _NOWHERE)
        report = self._verify(merge(*streams, key=_PLACE), checkpoints, heads=heads, pieces=checkpoints.archived)
        for credential in snapshot.credentials(account_id):
            _compare(report, credential)
        return report

    def verify_files(self, paths: Iterable[Path], *, checkpoint_file: Path | None = None) -> Report:
        """Verify exports and archives by themselves; what they say to lie elsewhere is taken to lie there.

        They speak for the accounts whose heads or events they hold, and for no other.
        """
        files = [ExportFile(path) for path in paths]
        checkpoints = Checkpoints(partial(is_signed, self.keys))
        if checkpoint_file is not None:
            checkpoints.take(_unnumbered(checkpoint_file), place="the file", whole=False)
        heads: dict[str, Place] = {}
        pieces: dict[str, list[Piece]] = defaultdict(list)
        told = [file.facts() for file in files]
        for facts in told:
            checkpoints.take([(None, signed) for signed in facts.checkpoints], place=facts.name, whole=False)
            heads.update(facts.heads)
        # What a file says comes after what was signed: where an export begins is nobody's secret.
        for piece in chain(*checkpoints.archived.values(), *(facts.elsewhere for facts in told)):
            pieces[piece.account_id].append(piece)
        events = merge(*(file.events() for file in files), key=_PLACE)
        return self._verify(events, checkpoints, heads=heads, pieces=pieces)

    def checkpoints(self, snapshot: Snapshot, file: Path | None = None) -> Checkpoints:
        """Return the checkpoints of the file and of the database, checked."""
        checkpoints = Checkpoints(partial(is_signed, self.keys))
        if file is not None:
            checkpoints.take(_unnumbered(file), place="the file", whole=False)
        checkpoints.take(snapshot.checkpoints(), place="the database", whole=True)
        return checkpoints

    def _verify(
        self,
        events: Iterable[Recorded],
        checkpoints: Checkpoints,
        *,
        heads: Mapping[str, Place],
        pieces: Mapping[str, list[Piece]],
    ) -> Report:
        report = Report(findings=list(checkpoints.findings), checkpoint=checkpoints.newest)
        unseen = set(heads)
        for account, of_account in groupby(events, key=itemgetter(0)):
            unseen.discard(account)
            trail = self._trail(account, checkpoints, heads, pieces)
            for event in _without_copies(of_account):
                report.events += 1
                if event.mac is None and _is_too_young(event, checkpoints):
                    report.findings.append(Finding(Fault.INSERTED, account, event.number, _UNSIGNED))
                trail.take(event)
                report.explanations.take(event)
            _end(report, trail, checkpoints)
        for account in sorted(unseen):
            _end(report, self._trail(account, checkpoints, heads, pieces), checkpoints)
        return report

    def _trail(
        self,
        account: str,
        checkpoints: Checkpoints,
        heads: Mapping[str, Place],
        pieces: Mapping[str, list[Piece]],
    ) -> Trail:
        # Heads come all or, where only an archive speaks, not at all.
        head = heads.get(account, _NOWHERE) if heads else None
        marks = checkpoints.marks.get(account)
        return Trail(account, mac=mac_of(self.keys), head=head, marks=marks, pieces=pieces.get(account, ()))


def _is_too_young(event: Recorded, checkpoints: Checkpoints) -> bool:
    # Without MACs events are from before the chain, or somebody without the keys would have them pass for such.
    return checkpoints.began is not None and (event.at is None or event.at > checkpoints.began)


def mac_of(keys: KeyRing) -> Mac:
    """Return what computes MACs of audit events under the ring's keys."""

    def mac(key_id: str, message: bytes) -> bytes | None:
        try:
            return keys.mac(Purpose.AUDIT, message, key_id=key_id)
        except KeyNotHeld:
            return None

    return mac


def _unnumbered(path: Path) -> list[tuple[None, Signed]]:
    return [(None, signed) for signed in CheckpointFile(path).read()]


def _without_copies(events: Iterable[Recorded]) -> Iterator[Recorded]:
    # An archive may hold what the database still has: that is one event, not two.
    last = None
    for event in events:
        if event != last:
            yield event
        last = event


def _end(report: Report, trail: Trail, checkpoints: Checkpoints) -> None:
    trail.end()
    report.findings += trail.findings
    report.accounts += 1
    report.unchained += trail.unchained
    report.elsewhere += trail.elsewhere
    if trail.elsewhere:
        report.incomplete.add(trail.account_id)
    newest_mark = max(checkpoints.marks.get(trail.account_id, {}), default=0)
    report.newer_than_checkpoint += max(0, trail.number - newest_mark)


def _compare(report: Report, credential: Standing) -> None:
    told = report.explanations.told_of(credential)
    if credential.account_id in report.incomplete and not tells_all(told, of=credential):
        # Archives that were not given may tell of it.
        report.unjudged += 1
        return
    found = difference(credential, told, at=datetime.now(UTC))
    if found is not None:
        detail = f"credential {credential.id} {found}"
        report.findings.append(Finding(Fault.UNEXPLAINED, credential.account_id, told.number, detail))
