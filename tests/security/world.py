"""The product under the machine's hands: every move is judged by the rulebook, made for real, and held against it."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError

from countersign.domain.messages import Actor, ActorKind, AnyMessage, Verdict
from tests.security.invariants import Rows, check, require, standing
from tests.security.rulebook import Approval, Proof, Rulebook
from tests.support.cast import Cast, Flow, Person
from tests.support.patience import eventually
from tests.support.rows import select

Send = Callable[[], Awaitable[bool]]
_FORMS: dict[str, dict[str, Any]] = {
    "create-api-key": {"permissions": ["trade", "funds_external"]},
    "create-fix-credentials": {"session_type": "trade"},
    "edit-api-key": {"acknowledge_deactivation": True},
}


@dataclass
class Said:
    """A message that can be sent again, with its key."""

    person: Person
    path: str
    body: object
    key: str


@dataclass
class World:
    """A cast, what it has under way, and every secret that was shown."""

    cast: Cast
    book: Rulebook
    secrets: dict[str, Person] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    moves: int = 0

    @classmethod
    def of(cls, cast: Cast) -> "World":
        owners = {each.id for each in (cast.owner, cast.sms_owner, cast.second_owner, cast.bare_owner)}
        return cls(cast, Rulebook(owners, {cast.account_manager.id}, {cast.bare_owner.id}))

    @property
    def accounts(self) -> list[Any]:
        return [self.cast.owner.account_id, self.cast.outsider.account_id, self.cast.plain_owner.account_id]

    async def move(self, *, right: bool, send: Send, approval: Approval | None = None) -> bool:
        """Make a move, return whether it was taken; one that is wrong must leave everything as it is.

        A wrong code of the right person, who is told by ``approval``, may end that request without activating.
        """
        before = await standing(self.cast.core, self.accounts)
        taken = await send()
        after = await standing(self.cast.core, self.accounts)
        self.moves += 1
        if not right:
            require(not taken, "what is wrong was taken")
            require(before == after or _only_ended(before, after, approval), "what is wrong moved something")
        return taken

    async def prove(self, approval: Approval, proof: Proof, *, right: bool, send: Send, may_end: bool = False) -> bool:
        """Make a move that, if it is right and taken, proves something."""
        taken = await self.move(right=right, send=send, approval=approval if may_end else None)
        if taken:
            self.book.prove(approval, proof)
        return taken

    async def check(self) -> None:
        await check(self.cast.core, self.accounts, self.book)

    async def begin(self, person: Person, journey: str, credential: dict[str, Any] | None) -> None:
        """Begin a journey; about a credential, unless the journey creates one."""
        path, form = _start(journey, credential)
        about_own = credential is None or person.account_id == self.cast.owner.account_id
        creates_elsewhere = credential is None and person is self.cast.outsider
        right = (self.book.may_begin(person, journey) and about_own) or creates_elsewhere
        key, answers = uuid4().hex, list[httpx.Response]()

        async def send() -> bool:
            answers.append(await self.post(person, path, form, key=key))
            return answers[0].status_code == httpx.codes.ACCEPTED

        if not await self.move(right=right, send=send):
            return
        flow = Flow(person, answers[0].json()["id"], answers[0].json()["workflow_id"])
        # What goes on by itself must have gone on before the next move.
        begun = await flow.until(lambda each: each["step"] != "starting")
        if not creates_elsewhere:
            await self._remember(flow, journey, begun)
            self.said.append(Said(person, path, form, key))

    async def post(self, person: Person, path: str, body: object = None, *, key: str | None = None) -> httpx.Response:
        """Call the API; no answer but the reveal itself may hold a secret that was ever shown."""
        return self.seen(await person.post(path, body, key=key))

    def seen(self, response: httpx.Response) -> httpx.Response:
        require(all(secret not in response.text for secret in self.secrets), "a secret is told a second time")
        require(response.status_code < httpx.codes.INTERNAL_SERVER_ERROR, f"{response.status_code} {response.url.path}")
        return response

    async def say(self, approval: Approval, person: Person, path: str, body: object = None) -> bool:
        """Send a message about a request over HTTP; return whether it was taken."""
        said = Said(person, f"/requests/{approval.flow.id}{path}", body, uuid4().hex)
        response = await self.post(person, said.path, body, key=said.key)
        self.said.append(said)
        return response.is_success

    async def signal(self, approval: Approval, message: AnyMessage) -> bool:
        """Signal the workflow, as whoever reaches Temporal can; return whether the message was taken."""
        before = set(await self._verdicts(approval))
        over = await self._is_over(approval)
        try:
            await approval.flow.handle.signal(message.kind, message)
        except RPCError:
            return False

        async def new() -> set[tuple[str, str | None]]:
            return set(await self._verdicts(approval)) - before

        # A workflow that is about to end may drop it unheard.
        heard = set() if over else await eventually(new)
        return any(problem is None for _, problem in heard)

    async def update(self, approval: Approval, message: AnyMessage, person: Person) -> bool:
        """Update the workflow in a person's name."""
        named = message.model_copy(update={"actor": Actor(kind=ActorKind.USER, user_id=person.id)})
        try:
            await approval.flow.handle.execute_update(named.kind, named, id=uuid4().hex, result_type=Verdict)
        except (WorkflowUpdateFailedError, RPCError):
            return False
        return True

    async def repeat(self, said: Said) -> None:
        """Send a message again with its key: it counts once."""
        before = await standing(self.cast.core, self.accounts)
        self.seen(await said.person.post(said.path, said.body, key=said.key))
        require(before == await standing(self.cast.core, self.accounts), "a repeated message had a second effect")

    async def credentials(self) -> list[dict[str, Any]]:
        """Return the home account's credentials that there are, oldest first."""
        query = """SELECT id::text, kind, name, status, version FROM credentials
                   WHERE account_id = %s AND status <> 'discarded' ORDER BY created_at, id"""
        rows = await select(self.cast.core, query, self.cast.owner.account_id)
        return [dict(zip(("id", "kind", "name", "status", "version"), row, strict=True)) for row in rows]

    async def note_code(self, approval: Approval) -> None:
        """Note the code that is on its way, as it reaches the person."""
        channel = (await approval.flow.shown())["channel"]
        sent = None if channel == "authenticator" else (await approval.flow.sent_codes(channel))[-1]
        approval.add_code(sent)

    async def _remember(self, flow: Flow, journey: str, now: dict[str, Any]) -> None:
        approval = Approval(flow, journey, flow.person, now["credential_id"])
        self.book.approvals.append(approval)
        if now["step"] == "two_factor_code":
            await self.note_code(approval)
        else:
            approval.chosen = True

    async def _is_over(self, approval: Approval) -> bool:
        query = "SELECT outcome IS NOT NULL FROM requests WHERE id = %s"
        return bool((await select(self.cast.core, query, approval.flow.id))[0][0])

    async def _verdicts(self, approval: Approval) -> list[tuple[str, str | None]]:
        query = "SELECT message_key, problem FROM message_verdicts WHERE request_id = %s AND message_key ^@ 'signal:'"
        return [(row[0], row[1]) for row in await select(self.cast.core, query, approval.flow.id)]


def _start(journey: str, credential: dict[str, Any] | None) -> tuple[str, dict[str, Any] | None]:
    form = _FORMS.get(journey)
    if journey == "create-api-key":
        return "/api-keys", {"name": f"key {uuid4().hex[:12]}", **(form or {})}
    if credential is None:
        return "/fix-credentials", form
    if journey == "edit-api-key":
        whitelist = f"203.0.113.{secrets.randbelow(250)}"
        return f"/api-keys/{credential['id']}/edits", {
            **(form or {}),
            "permissions": ["trade"],
            "ip_whitelist": whitelist,
        }
    kind = "fix-credentials" if credential["kind"] == "fix" else "api-keys"
    return f"/{kind}/{credential['id']}/activations", form


def _only_ended(before: tuple[Rows, Rows], after: tuple[Rows, Rows], approval: Approval | None) -> bool:
    if approval is None:
        return False
    changed = [new for old, new in zip(before[0], after[0], strict=True) if old != new]
    ended = [each["id"] for each in changed if each["outcome"] not in {None, "activated"}]
    was_active, is_active = [{each["id"] for each in rows if each["status"] == "active"} for _, rows in (before, after)]
    return ended == [approval.flow.id] == [each["id"] for each in changed] and is_active <= was_active
