"""Random sequences of messages by random actors, against the real workflows.

Hypothesis is synchronous: the machine runs in a thread, and hands each move to the one event loop of the tests.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.security.guesses import KINDS
from tests.security.moves import Moves
from tests.security.rulebook import DEMANDED, Approval, Proof
from tests.security.thieves import try_everything
from tests.security.world import World
from tests.support.cast import Cast, Person

_PATIENCE_SECONDS = 120
_OPEN_AT_ONCE = 4
OWNERS = st.sampled_from(["sms_owner", "owner", "second_owner"])
ANYBODY = st.sampled_from(
    ["second_owner", "bare_owner", "member", "plain_owner", "outsider", "account_manager", "unassigned_manager", "ops"]
)
_BUTTONS = {
    "save": [Proof.SHOWN, Proof.SAVED],
    "now": [Proof.SHOWN, Proof.SAVED, Proof.EMAIL, Proof.MANAGER],
    "later": [Proof.SAVED, Proof.EMAIL, Proof.MANAGER],
    "resend": [Proof.CODE, Proof.EMAIL],
}
_ASKED_FOR = {"asked for": "activate-fix-credentials", "a key": "activate-api-key"}
DEPTH = st.integers(0, 6)
WHICH = st.integers(0, _OPEN_AT_ONCE - 1)
HOW = st.sampled_from(["http", "http", "signal"])
STAFF = st.sampled_from(["account_manager", "account_manager", "unassigned_manager", "ops", "owner"])
FAULTS = st.sampled_from([None, None, "forged", "expired", "foreign", "version"])


class Machine(RuleBasedStateMachine):
    """One cast, and what its people, thieves and whoever can signal do in any order."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    enter: ClassVar[Callable[[], Coroutine[Any, Any, Cast]]]
    activated: ClassVar[Counter[str]]

    @initialize(
        depths=st.tuples(DEPTH, DEPTH, DEPTH),
        later=st.sampled_from(["no", "asked for", "by name", "a key"]),
        aged=st.integers(0, 9),
    )
    def enter_the_cast(self, depths: tuple[int, int, int], later: str, aged: int) -> None:
        """Begin in the middle: with creations that have gone some way."""
        self.world = World.of(self._do(type(self).enter()))
        self.moves = Moves(self.world)
        self.statements: list[tuple[Approval, Person, str]] = []
        begun = [("sms_owner", "create-api-key"), ("owner", "create-fix-credentials"), ("sms_owner", "create-api-key")]
        for (who, journey), depth in zip(begun, depths, strict=True):
            self._then(self.world.begin(self._person(who), journey, None))
            self._give(self.world.book.approvals[-1], "http", depth)
        if later != "no":
            self._leave_inactive(self.world.book.approvals[0 if later == "a key" else 1], later)
            self._give(self.world.book.approvals[-1], "http", depths[2] % 2)
        self.thieves_try_everything(aged, minutes=7 * (aged % 2))

    @rule(who=OWNERS, journey=st.sampled_from(["create-api-key", "create-fix-credentials"]))
    def an_owner_creates(self, who: str, journey: str) -> None:
        if len(self.world.book.open) < _OPEN_AT_ONCE:
            self._then(self.world.begin(self._person(who), journey, None))

    @rule(
        who=OWNERS,
        journey=st.sampled_from(sorted(set(DEMANDED) - {"create-api-key", "create-fix-credentials"})),
        which=WHICH,
    )
    def an_owner_edits_or_activates(self, who: str, journey: str, which: int) -> None:
        self._begin_about(self._person(who), journey, which)

    @rule(who=ANYBODY, journey=st.sampled_from(sorted(DEMANDED)), which=WHICH)
    def anybody_begins(self, who: str, journey: str, which: int) -> None:
        if journey.startswith("create"):
            self._then(self.world.begin(self._person(who), journey, None))
        else:
            self._begin_about(self._person(who), journey, which)

    @precondition(lambda self: self.world.book.open)
    @rule(which=WHICH, minutes=st.sampled_from([0, 0, 7]))
    def thieves_try_everything(self, which: int, minutes: int) -> None:
        if self.world.book.open:
            approval = self._pick(which)
            if minutes:
                self._then(self.moves.skip(approval, minutes))
            self._do(try_everything(self.moves, approval))

    @precondition(lambda self: self.world.book.open)
    @rule(which=WHICH, how=HOW, steps=DEPTH)
    def what_is_demanded_is_given(self, which: int, how: str, steps: int) -> None:
        self._give(self._pick(which), how, steps)

    @precondition(lambda self: self.world.book.open)
    @rule(which=WHICH, how=HOW)
    def the_next_thing_is_done(self, which: int, how: str) -> None:
        self._give(self._pick(which), how, 1)

    @precondition(lambda self: self.world.book.open)
    @rule(
        which=WHICH,
        kind=st.sampled_from(KINDS),
        who=st.one_of(st.just("requester"), st.just("requester"), ANYBODY),
        how=HOW,
    )
    def a_two_factor_code_is_tried(self, which: int, kind: str, who: str, how: str) -> None:
        approval = self._pick(which, Proof.CODE)
        code = self.moves.codes.two_factor(approval, kind)
        self._then(self.moves.enter_code(approval, self._speaker(approval, who, how), code, over=self._over(who, how)))

    @precondition(lambda self: self.world.book.open)
    @rule(
        which=WHICH,
        kind=st.sampled_from(KINDS),
        link=st.booleans(),
        who=st.one_of(st.just("requester"), ANYBODY),
        how=HOW,
    )
    def a_mailed_code_or_link_is_tried(self, which: int, kind: str, link: bool, who: str, how: str) -> None:  # noqa: FBT001
        approval = self._pick(which, Proof.EMAIL)
        text = self.moves.codes.mailed(approval, kind, link=link)
        self._then(self.moves.confirm(approval, self._speaker(approval, who, how), text, over=self._over(who, how)))

    @precondition(lambda self: self.world.book.open)
    @rule(which=WHICH, who=st.one_of(st.just("requester"), ANYBODY), is_right=st.booleans())
    def the_secret_is_asked_for(self, which: int, who: str, is_right: bool) -> None:  # noqa: FBT001
        approval = self._pick(which, Proof.SHOWN, Proof.SAVED)
        person = approval.requester if who == "requester" else self._person(who)
        self._then(self.moves.reveal(approval, person, verifier_is_right=is_right))

    @precondition(lambda self: self.world.book.open)
    @rule(
        which=WHICH,
        who=st.one_of(st.just("requester"), ANYBODY),
        how=HOW,
        what=st.sampled_from(["save", "now", "later", "resend"]),
    )
    def a_button_is_pressed(self, which: int, who: str, how: str, what: str) -> None:
        approval = self._pick(which, *_BUTTONS[what])
        speaker, over = self._speaker(approval, who, how), self._over(who, how)
        if what == "save":
            self._then(self.moves.save(approval, speaker, over=over))
        elif what == "resend":
            self._then(self.moves.resend(approval, speaker, over=over))
        else:
            self._then(self.moves.choose(approval, speaker, what, over=over))

    @precondition(lambda self: any(each.demanded is Proof.MANAGER for each in self.world.book.open))
    @rule(who=STAFF, is_present=st.booleans(), which=WHICH)
    def a_decision_is_made(self, who: str, is_present: bool, which: int) -> None:  # noqa: FBT001
        waiting = [each for each in self.world.book.open if each.demanded is Proof.MANAGER]
        approval = waiting[which % len(waiting)]
        credential = self._credential(approval)
        version = int(credential["version"]) + (0 if is_present else 1)
        self._then(
            self.moves.decide(approval, credential["name"], self._person(who), version=version, is_present=is_present)
        )

    @precondition(lambda self: any(each.demanded is Proof.MANAGER for each in self.world.book.open))
    @rule(who=STAFF, fault=FAULTS, which=WHICH)
    def a_statement_is_signalled(self, who: str, fault: str | None, which: int) -> None:
        waiting = [each for each in self.world.book.open if each.demanded is Proof.MANAGER]
        approval, by = waiting[which % len(waiting)], self._person(who)
        version = int(self._credential(approval)["version"])
        statement = self.moves.statement(approval, by, version=version, fault=fault)
        self.statements.append((approval, by, statement))
        self._then(self.moves.state(approval, statement, by=by, is_good=fault is None))

    @precondition(lambda self: self.statements)
    @rule(which=WHICH)
    def a_statement_is_signalled_again(self, which: int) -> None:
        approval, by, statement = self.statements[-1 - which % len(self.statements)]
        still_good = self.world.book.may_decide(approval, by) and approval.awaits(Proof.MANAGER)
        if not still_good:
            self._then(self.moves.state(approval, statement, by=by, is_good=False))

    @rule(which=WHICH, who=STAFF, later=st.integers(0, 1))
    def fix_credentials_are_activated_by_name(self, which: int, who: str, later: int) -> None:
        under_way = {each.credential for each in self.world.book.open}
        idle = [each for each in self._held() if each["kind"] == "fix" and each["id"] not in under_way]
        if idle:
            credential = idle[which % len(idle)]
            version = int(credential["version"]) + later
            self._then(self.moves.activate_by_name(credential, self._person(who), version=version))

    @rule(which=WHICH, who=st.one_of(OWNERS, ANYBODY))
    def a_credential_is_deactivated(self, which: int, who: str) -> None:
        held = self._held()
        if held:
            self._then(self.moves.deactivate(held[which % len(held)], self._person(who)))

    @precondition(lambda self: self.world.book.open)
    @rule(which=WHICH, who=st.one_of(OWNERS, ANYBODY, st.none()), over=st.sampled_from(["http", "update"]))
    def a_request_is_cancelled(self, which: int, who: str | None, over: str) -> None:
        self._then(self.moves.cancel(self._pick(which), None if who is None else self._person(who), over=over))

    @precondition(lambda self: self.world.book.open)
    @rule(which=WHICH, minutes=st.sampled_from([1, 3, 3, 7, 7, 40, 1_600]))
    def time_goes_by(self, which: int, minutes: int) -> None:
        self._then(self.moves.skip(self._pick(which), minutes))

    @rule(what=st.sampled_from(["owner", "manager", "other manager", "join", "method"]))
    def rights_change(self, what: str) -> None:
        cast, moves = self.world.cast, self.moves
        changes: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "owner": lambda: moves.toggle_owner(cast.second_owner),
            "manager": lambda: moves.toggle_manager(cast.account_manager),
            "other manager": lambda: moves.toggle_manager(cast.unassigned_manager),
            "join": lambda: moves.join(cast.unassigned_manager),
            "method": lambda: moves.toggle_method(cast.sms_owner),
        }
        self._then(changes[what]())

    @precondition(lambda self: self.world.said)
    @rule(which=WHICH)
    def a_message_comes_twice(self, which: int) -> None:
        self._then(self.world.repeat(self.world.said[-1 - which % len(self.world.said)]))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            type(self).activated.update(self.world.book.activations)
            type(self).activated["moves"] += self.world.moves

    def _give(self, approval: Approval, how: str, steps: int) -> None:
        for _ in range(steps):
            if approval.demanded is not None:
                self._then(self._advance(approval, how))

    def _leave_inactive(self, approval: Approval, later: str) -> None:
        while not (approval.closed or approval.chosen or approval.awaits_choice):
            self._give(approval, "http", 1)
        if approval.awaits_choice:
            self._then(self.moves.choose(approval, approval.requester, "later", over="http"))
        if approval.closed and later in _ASKED_FOR:
            self._begin_about(approval.requester, _ASKED_FOR[later], 0)
        if approval.closed and later == "by name":
            self.fix_credentials_are_activated_by_name(0, "unassigned_manager", 0)
            self.fix_credentials_are_activated_by_name(0, "account_manager", 0)

    async def _advance(self, approval: Approval, how: str) -> None:
        """Do what the requester would do next."""
        who = None if how == "signal" else approval.requester
        moves = self.moves
        if approval.awaits_choice:
            await moves.choose(approval, who, "now", over="http")
        elif approval.demanded is Proof.CODE:
            await moves.enter_code(approval, who, moves.codes.two_factor(approval, "right"), over="http")
        elif approval.demanded is Proof.SHOWN:
            await moves.reveal(approval, approval.requester, verifier_is_right=True)
        elif approval.demanded is Proof.SAVED:
            await moves.save(approval, who, over="http")
        elif approval.demanded is Proof.EMAIL:
            await moves.confirm(approval, who, moves.codes.mailed(approval, "right", link=False), over="http")
        else:
            [credential] = [each for each in await self.world.credentials() if each["id"] == approval.credential]
            manager = self.world.cast.account_manager
            await moves.decide(approval, credential["name"], manager, version=credential["version"], is_present=True)

    def _begin_about(self, who: Person, journey: str, which: int) -> None:
        kind = "fix" if journey == "activate-fix-credentials" else "api_key"
        held = [each for each in self._held() if each["kind"] == kind]
        if held and len(self.world.book.open) < _OPEN_AT_ONCE:
            self._then(self.world.begin(who, journey, held[which % len(held)]))

    def _pick(self, which: int, *fitting: Proof) -> Approval:
        """Return an open request, mostly one that waits for one of these."""
        waiting = [each for each in self.world.book.open if each.demanded in fitting]
        found = self.world.book.open if which == _OPEN_AT_ONCE - 1 or not waiting else waiting
        return found[which % len(found)]

    def _person(self, name: str) -> Person:
        person: Person = getattr(self.world.cast, name)
        return person

    def _speaker(self, approval: Approval, who: str, how: str) -> Person | None:
        if who != "requester":
            return self._person(who)
        return None if how == "signal" else approval.requester

    def _over(self, who: str, how: str) -> str:
        return "update" if who != "requester" and how == "signal" else "http"

    def _held(self) -> list[dict[str, Any]]:
        held: list[dict[str, Any]] = self._do(self.world.credentials())
        return held

    def _credential(self, approval: Approval) -> dict[str, Any]:
        [found] = [each for each in self._held() if each["id"] == approval.credential] or [
            {"version": 1, "name": "CS-T-0"}
        ]
        return found

    def _then(self, move: Coroutine[Any, Any, None]) -> None:
        self._do(move)
        self._do(self.world.check())

    def _do(self, move: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(move, type(self).loop).result(_PATIENCE_SECONDS)
