"""What the articles demand before a credential may be active, told anew: nothing of the product's code is used here.

A request is known by what its people have proven so far. Whatever is sent is judged here first; the product may refuse
more than this book does, but never take what the book calls wrong.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from tests.support.cast import Flow, Person


class Proof(StrEnum):
    """What a journey can demand."""

    CODE = "the two-factor code"
    SHOWN = "the secret was shown to who entered the code"
    SAVED = "the word that it is saved"
    EMAIL = "the code or link of the mail"
    MANAGER = "the decision of an assigned account manager"


DEMANDED = {
    "create-api-key": [Proof.CODE, Proof.SHOWN, Proof.SAVED, Proof.EMAIL],
    "create-fix-credentials": [Proof.CODE, Proof.SHOWN, Proof.SAVED, Proof.MANAGER],
    "edit-api-key": [Proof.CODE, Proof.EMAIL],
    "activate-api-key": [Proof.CODE],
    "activate-fix-credentials": [Proof.MANAGER],
}
CODE_LIFETIME = timedelta(minutes=5)
STEP_LIFETIME = {
    Proof.CODE: timedelta(minutes=30),
    Proof.SAVED: timedelta(minutes=30),
    Proof.EMAIL: timedelta(hours=24),
}
# The workflow's clock and the test's are not the same to the second.
BLUR = timedelta(seconds=25)


@dataclass
class Approval:
    """One request, as its people know it."""

    flow: Flow
    journey: str
    requester: Person
    credential: str
    proofs: list[Proof] = field(default_factory=list)
    chosen: bool = False
    closed: bool = False
    # The codes of the present step: what was sent (None: an authenticator's window), and when.
    codes: list[tuple[str | None, datetime]] = field(default_factory=list)
    spent: list[str] = field(default_factory=list)
    step_began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def now(self) -> datetime:
        """The moment it is on the request's own clock."""
        return datetime.now(UTC) + self.flow.skew

    @property
    def demanded(self) -> Proof | None:
        """What comes next."""
        left = DEMANDED[self.journey][len(self.proofs) :]
        return left[0] if left and not self.closed else None

    @property
    def awaits_choice(self) -> bool:
        """Whether ACTIVATE or ACTIVATE LATER comes next."""
        return self.demanded in {Proof.EMAIL, Proof.MANAGER} and not self.chosen

    def awaits(self, proof: Proof) -> bool:
        """Whether the proof may come now."""
        return self.demanded is proof and not self.awaits_choice and not self.is_over(STEP_LIFETIME.get(proof))

    def is_over(self, lifetime: timedelta | None) -> bool:
        """Whether the step is over for certain."""
        return lifetime is not None and self.now > self.step_began + lifetime + BLUR

    def begin_step(self) -> None:
        """Note that another step begins."""
        self.spent += [code for code, _ in self.codes if code]
        self.step_began, self.codes = self.now, []

    def add_code(self, code: str | None) -> None:
        """Note that a code was sent, or an authenticator's window opened."""
        self.codes.append((code, self.now))

    def live_codes(self) -> list[str | None]:
        """Return the codes that are not dead for certain."""
        return [code for code, sent_at in self.codes if self.now <= sent_at + CODE_LIFETIME + BLUR]


@dataclass
class Rulebook:
    """Who may do what, what is under way, and which credentials may be active."""

    owners: set[UUID]
    managers: set[UUID]
    without_factor: set[UUID]
    joined: set[UUID] = field(default_factory=set)
    approvals: list[Approval] = field(default_factory=list)
    may_be_active: set[str] = field(default_factory=set)
    used_steps: dict[UUID, int] = field(default_factory=dict)
    activations: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[Approval]:
        return [each for each in self.approvals if not each.closed]

    def may_begin(self, person: Person, journey: str) -> bool:
        """Whether the person owns the account, and confirms with a second factor where one is asked for."""
        return person.id in self.owners and (
            person.id not in self.without_factor or DEMANDED[journey][0] is not Proof.CODE
        )

    def may_speak(self, approval: Approval, person: Person | None) -> bool:
        """Whether it is the requester or whoever can signal (a code proves itself), and the requester is an owner."""
        return (person is None or person is approval.requester) and approval.requester.id in self.owners

    def may_decide(self, approval: Approval, manager: Person) -> bool:
        """Whether the manager looks after the account, and who asked for the activation may still ask."""
        looks_after = manager.id in self.managers - self.joined
        return looks_after and approval.requester.id in self.owners | self.managers

    def prove(self, approval: Approval, proof: Proof) -> None:
        """Note what was proven; the last proof of a journey is the one thing that lets a credential be active."""
        approval.proofs.append(proof)
        approval.begin_step()
        if approval.journey == "edit-api-key" and proof is Proof.CODE:
            self.may_be_active.discard(approval.credential)
        if approval.proofs == DEMANDED[approval.journey]:
            self.may_be_active.add(approval.credential)
            self.activations.append(approval.journey)
            approval.closed = True

    def deactivate(self, credential: str) -> None:
        """Note that whatever was under way about the credential is over, and that it is inactive."""
        self.may_be_active.discard(credential)
        for approval in self.approvals:
            approval.closed |= approval.credential == credential

    def cancel_all_of(self, person: Person) -> None:
        """Note that whatever the person began is over."""
        for approval in self.approvals:
            approval.closed |= approval.requester is person
