"""The moves of people, of thieves, and of whoever can signal a workflow."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from countersign.adapters.keyring import KeyRing, Purpose, load_key_ring, new_key_ring_json
from countersign.adapters.statements import Statement, sign
from countersign.domain.messages import (
    AccountManagerDecision,
    Activate,
    ActivateLater,
    ActivationCode,
    Actor,
    ActorKind,
    AnyMessage,
    Cancel,
    ResendCode,
    SecretSaved,
    TwoFactorCode,
)
from countersign.domain.people import Role, TwoFactorMethod
from countersign.effects.people import UserChange, change_user
from countersign.storage import accounts
from tests.security.guesses import Guesses
from tests.security.invariants import require
from tests.security.rulebook import Approval, Proof
from tests.security.world import World
from tests.support.cast import Person
from tests.support.rows import change

_OPS = Actor(kind=ActorKind.OPS)


@dataclass(frozen=True)
class Moves:
    """What can be done; ``who`` None is whoever signals the workflow, with the requester's name in the message."""

    world: World

    @property
    def codes(self) -> Guesses:
        return Guesses(self.world)

    async def enter_code(self, approval: Approval, who: Person | None, code: str, *, over: str) -> None:
        """Enter a two-factor code."""
        book, flow = self.world.book, approval.flow
        right = self.codes.fits(approval, code) and approval.awaits(Proof.CODE) and book.may_speak(approval, who)
        message = TwoFactorCode(code=code, reveal_challenge=flow.challenge)
        body = {"code": code, "reveal_challenge": flow.challenge}
        speaks = book.may_speak(approval, who)

        async def send() -> bool:
            return await self._send(approval, who, message, "/two-factor-code", body, over=over)

        step = self.codes.step_of(approval, code)
        if await self.world.prove(approval, Proof.CODE, right=right, send=send, may_end=speaks) and step is not None:
            book.used_steps[approval.requester.id] = step

    async def reveal(self, approval: Approval, who: Person, *, verifier_is_right: bool) -> None:
        """Ask for the secret."""
        world, flow = self.world, approval.flow
        first = approval.awaits(Proof.SHOWN)
        again = approval.awaits(Proof.SAVED)
        mine = who is approval.requester and who.id in world.book.owners and verifier_is_right
        verifier = flow.verifier if verifier_is_right else secrets.token_urlsafe(32)
        shown: list[str] = []

        async def send() -> bool:
            response = await who.post(f"/requests/{flow.id}/secret", {"reveal_verifier": verifier})
            if response.is_success:
                told = response.json()
                shown.append(told.get("api_secret") or told["password"])
            else:
                world.seen(response)
            return response.is_success

        taken = await world.move(right=mine and (first or again), send=send)
        if taken:
            world.secrets[shown[0]] = who
        if taken and first:
            world.book.prove(approval, Proof.SHOWN)

    async def save(self, approval: Approval, who: Person | None, *, over: str) -> None:
        """Tick that the secret is saved."""
        right = approval.awaits(Proof.SAVED) and self.world.book.may_speak(approval, who)

        async def send() -> bool:
            return await self._send(approval, who, SecretSaved(), "/secret-saved", None, over=over)

        await self.world.prove(approval, Proof.SAVED, right=right, send=send)

    async def choose(self, approval: Approval, who: Person | None, when: str, *, over: str) -> None:
        """ACTIVATE or ACTIVATE LATER."""
        at_mail = approval.demanded is Proof.EMAIL and approval.chosen
        fits = approval.awaits_choice or (when == "later" and at_mail)
        right = fits and self.world.book.may_speak(approval, who)
        message = Activate() if when == "now" else ActivateLater()

        async def send() -> bool:
            return await self._send(approval, who, message, "/activation", {"when": when}, over=over)

        if not await self.world.move(right=right, send=send):
            return
        if when == "later":
            approval.closed = True
            return
        approval.chosen = True
        approval.begin_step()
        if approval.demanded is Proof.EMAIL:
            await self.world.note_code(approval)

    async def confirm(self, approval: Approval, who: Person | None, text: str, *, over: str) -> None:
        """Enter the code from the mail, or what stands in its link."""
        book = self.world.book
        is_code = len(text) == len("123456")
        fits = self.codes.fits(approval, text) if is_code else self.codes.is_link_of(approval, text)
        right = fits and approval.awaits(Proof.EMAIL) and book.may_speak(approval, who)
        message = ActivationCode(code=text) if is_code else ActivationCode(link_token=text)
        path, body = ("/activation-code", {"code": text}) if is_code else ("/activation-link", {"token": text})

        async def send() -> bool:
            return await self._send(approval, who, message, path, body, over=over)

        speaks = book.may_speak(approval, who)
        await self.world.prove(approval, Proof.EMAIL, right=right, send=send, may_end=speaks)

    async def resend(self, approval: Approval, who: Person | None, *, over: str) -> None:
        """Ask for a new code."""
        asks = approval.demanded in {Proof.CODE, Proof.EMAIL} and not approval.awaits_choice
        right = asks and self.world.book.may_speak(approval, who)

        async def send() -> bool:
            return await self._send(approval, who, ResendCode(), "/two-factor-code/resend", None, over=over)

        if await self.world.move(right=right, send=send):
            if approval.demanded is Proof.CODE:
                approval.step_began = approval.now
            await self.world.note_code(approval)

    async def cancel(self, approval: Approval, who: Person | None, *, over: str) -> None:
        """Cancel the request: any owner may, ops with the command, and whoever can signal."""
        right = not approval.closed and (who is None or who.id in self.world.book.owners | {self.world.cast.ops.id})

        async def send() -> bool:
            if who is None:
                return await self.world.signal(approval, Cancel())
            if who is self.world.cast.ops:
                return await self.world.signal(approval, Cancel(actor=_OPS))
            if over == "update":
                return await self.world.update(approval, Cancel(), who)
            return self.world.seen(await who.delete(f"/requests/{approval.flow.id}")).is_success

        if await self.world.move(right=right, send=send):
            approval.closed = True

    async def deactivate(self, credential: dict[str, str], who: Person) -> None:
        """Deactivate the credential: any owner may."""
        kind = "fix-credentials" if credential["kind"] == "fix" else "api-keys"

        async def send() -> bool:
            return (await self.world.post(who, f"/{kind}/{credential['id']}/deactivations")).is_success

        right = who.id in self.world.book.owners
        if await self.world.move(right=right, send=send):
            self.world.book.deactivate(credential["id"])

    async def decide(self, approval: Approval, name: str, who: Person, *, version: int, is_present: bool) -> None:
        """Activate over HTTP what waits."""
        right = approval.awaits(Proof.MANAGER) and self.world.book.may_decide(approval, who) and is_present
        body = {"decision": "activate", "version": version}

        async def send() -> bool:
            path = f"/account-manager/fix-credentials/{name}/decision"
            return (await self.world.post(who, path, body)).is_success

        await self.world.prove(approval, Proof.MANAGER, right=right, send=send)

    async def activate_by_name(self, credential: dict[str, str], who: Person, *, version: int) -> None:
        """Activate over HTTP inactive FIX credentials that nothing is open about."""
        right = who.id in self.world.book.managers - self.world.book.joined and version == int(credential["version"])
        body = {"decision": "activate", "version": version}

        async def send() -> bool:
            path = f"/account-manager/fix-credentials/{credential['name']}/decision"
            return (await self.world.post(who, path, body)).is_success

        if await self.world.move(right=right, send=send):
            self.world.book.may_be_active.add(credential["id"])
            self.world.book.activations.append("activated by name")

    async def state(self, approval: Approval, statement: str, *, by: Person, is_good: bool) -> None:
        """Signal a statement."""
        right = is_good and approval.awaits(Proof.MANAGER) and self.world.book.may_decide(approval, by)

        async def send() -> bool:
            named = Actor(kind=ActorKind.USER, user_id=self.world.cast.account_manager.id)
            return await self.world.signal(approval, AccountManagerDecision(actor=named, statement=statement))

        await self.world.prove(approval, Proof.MANAGER, right=right, send=send)

    def statement(self, approval: Approval, by: Person, *, version: int, fault: str | None) -> str:
        """Return a manager's word, good but for the fault."""
        request = uuid4() if fault == "foreign" else UUID(approval.flow.id)
        lifetime = timedelta(minutes=-10 if fault == "expired" else 10)
        keys = _other_keys() if fault == "forged" else self.world.cast.core.keys
        said = Statement(
            manager=by.id,
            decision="activate",
            request_id=request,
            credential_version=version + (1 if fault == "version" else 0),
            id=str(uuid4()),
            expires_at=approval.now + lifetime,
        )
        return sign(keys, said)

    async def _send(
        self, approval: Approval, who: Person | None, message: AnyMessage, path: str, body: object, *, over: str
    ) -> bool:
        if who is None:
            named = Actor(kind=ActorKind.USER, user_id=approval.requester.id)
            return await self.world.signal(approval, message.model_copy(update={"actor": named}))
        if over == "update":
            return await self.world.update(approval, message, who)
        return await self.world.say(approval, who, path, body)

    async def skip(self, approval: Approval, minutes: int) -> None:
        """Let the request's clock run ahead."""
        await approval.flow.skip(minutes=minutes)

    async def toggle_owner(self, person: Person) -> None:
        """Make an owner of the account none, or again one."""
        core, account, owners = self.world.cast.core, person.account_id, self.world.book.owners
        require(account is not None, "an owner has an account")
        role = "member" if person.id in owners else "owner"
        await change(core, "UPDATE memberships SET role = %s WHERE user_id = %s", role, person.id)
        owners ^= {person.id}

    async def toggle_manager(self, person: Person) -> None:
        """Let an account manager look after the account no more, or again."""
        core, home, managers = self.world.cast.core, self.world.cast.owner.account_id, self.world.book.managers
        if person.id in managers:
            await change(core, "DELETE FROM account_manager_assignments WHERE user_id = %s", person.id)
        else:
            await change(core, "INSERT INTO account_manager_assignments VALUES (%s, %s)", home, person.id)
        managers ^= {person.id}

    async def join(self, manager: Person) -> None:
        """Let an account manager belong to the account: he or she may not decide on it from now on."""
        async with self.world.cast.core.database.connection() as connection:
            home = self.world.cast.owner.account_id
            assert home is not None
            await accounts.add_member(connection, account_id=home, user_id=manager.id, role=Role.MEMBER)
        self.world.book.joined.add(manager.id)

    async def toggle_method(self, person: Person) -> None:
        """Let ops turn off the person's two-factor authentication by SMS, or on again: what is under way is over."""
        without = self.world.book.without_factor
        method = TwoFactorMethod.SMS if person.id in without else TwoFactorMethod.NONE
        change_to = UserChange(two_factor=method)
        await change_user(self.world.cast.core.desk, person.id, change_to, at=datetime.now(UTC), actor=_OPS)
        without ^= {person.id}
        self.world.book.cancel_all_of(person)


def _other_keys() -> KeyRing:
    return load_key_ring(json_text=new_key_ring_json(), file=None, purposes=frozenset(Purpose))
