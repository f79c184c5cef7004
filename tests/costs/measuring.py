"""One journey, counted: what it costs at Temporal and at PostgreSQL."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from countersign.dispatch.outbox import Outbox
from countersign.wiring import Parts, mail_sender
from tests.costs.actions import Action, Meter, actions_in, disturbances
from tests.costs.journeys import JOURNEYS, LIMITS, PREPARE, Journey, Prepared, name_of
from tests.costs.statements import Statements
from tests.costs.walking import Disturbed, Taken, Walk
from tests.support.cast import Cast, Flow
from tests.support.histories import Line, read_history
from tests.support.stage import Stage, ended

_TRIES = 3
_NOTICES = "notices"


@dataclass(frozen=True)
class Measured:
    """What one journey cost."""

    name: str
    outcome: str
    actions: Sequence[Action]
    history: Sequence[Line]
    steps: Sequence[Taken]
    notices: int
    notice_statements: Counter[str]
    bytes: int


@dataclass(frozen=True)
class Scales:
    """What journeys are weighed with.

    What the server counts is held against the history: for journeys with a limit each by itself, for the others
    together, because the server tells its figures only once a second.
    """

    stage: Stage
    outbox: Outbox
    meter: Meter
    statements: Statements

    async def weigh_all(self) -> list[Measured]:
        """Return what each journey costs, once caches are warm."""
        await self._weigh_undisturbed(JOURNEYS[0])
        journeys = [await self._weigh_undisturbed(journey) for journey in JOURNEYS]
        await self.meter.check()
        return journeys

    async def _weigh_undisturbed(self, journey: Journey) -> Measured:
        disturbed = ""
        for _ in range(_TRIES):
            try:
                return await self._weigh(journey)
            except Disturbed as error:
                disturbed = str(error)
                # What is still under way must not be counted to the next try.
                await self.meter.forget()
        raise AssertionError(f"{name_of(journey)}: disturbed each time: {disturbed}")

    async def _weigh(self, journey: Journey) -> Measured:
        cast = await self._enter()
        prepared = await self._prepare(journey, cast)
        # Mails of the preparation, or of a try that was disturbed, are not the journey's.
        await self.outbox.send_due()
        self.statements.take()
        walk = Walk(cast, self.statements)
        await journey(walk, prepared)
        weighed = await self._weighed(name_of(journey), walk)
        if journey in LIMITS:
            await self.meter.check()
        return weighed

    async def _weighed(self, name: str, walk: Walk) -> Measured:
        outcome = await ended(walk.flow)
        history = await self._history(walk.flow)
        actions = actions_in(history)
        self.meter.explain(actions)
        with self.statements.by(_NOTICES):
            notices = await self.outbox.send_due()
        described = (await walk.flow.handle.describe()).raw_description.workflow_execution_info
        return Measured(
            name=name,
            outcome=outcome,
            actions=actions,
            history=history,
            steps=walk.taken,
            notices=notices,
            notice_statements=self.statements.take().get(_NOTICES, Counter()),
            bytes=described.history_size_bytes,
        )

    async def _enter(self) -> Cast:
        someone = self.stage.cast.owner
        core, http = self.stage.core, someone.http
        return await Cast.enter(core, http=http, issuer=someone.issuer, providers=someone.providers)

    async def _prepare(self, journey: Journey, cast: Cast) -> Prepared:
        if journey not in PREPARE:
            return None
        flow = await PREPARE[journey](cast)
        self.meter.explain(actions_in(await self._history(flow)))
        return flow

    async def _history(self, flow: Flow) -> list[Line]:
        core = self.stage.core
        history = await read_history(core.client, core.keys, flow.workflow_id)
        if disturbed := disturbances(history):
            raise Disturbed(", ".join(disturbed))
        return history


@asynccontextmanager
async def scales(stage: Stage, *, metrics_port: int) -> AsyncIterator[Scales]:
    """Let a worker without chores work on the stage, and count what is asked."""
    core: Parts = stage.core
    statements = Statements(core.settings.task_queue)
    async with aclosing(mail_sender(core.settings)) as mail, stage.at_work():
        outbox = Outbox(desk=core.desk, mail=mail, public_url=core.settings.public_url)
        with statements.counting():
            yield Scales(stage=stage, outbox=outbox, meter=Meter(metrics_port), statements=statements)
