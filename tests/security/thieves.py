"""All that must not go at the step where a request stands, tried one after another."""

from tests.security.guesses import KINDS
from tests.security.moves import Moves
from tests.security.rulebook import Approval, Proof
from tests.support.cast import Person


async def try_everything(moves: Moves, approval: Approval) -> None:
    """Try it: by who began the request and has no proof, and by others who have it."""
    cast = moves.world.cast
    tries = {
        Proof.CODE: _codes,
        Proof.SHOWN: _secret,
        Proof.SAVED: _buttons,
        Proof.EMAIL: _mail,
        Proof.MANAGER: _decisions,
    }
    for who in (approval.requester, cast.second_owner, cast.member, cast.outsider):
        if approval.demanded is not None:
            await tries[approval.demanded](moves, approval, who)
            await moves.world.check()


async def _codes(moves: Moves, approval: Approval, who: Person) -> None:
    mine = who is approval.requester
    for code in {moves.codes.two_factor(approval, kind) for kind in KINDS if mine == (kind != "right")}:
        await moves.enter_code(approval, who, code, over="http" if mine else "update")
    await _buttons(moves, approval, who)


async def _secret(moves: Moves, approval: Approval, who: Person) -> None:
    await moves.reveal(approval, who, verifier_is_right=who is not approval.requester)
    await _buttons(moves, approval, who)


async def _buttons(moves: Moves, approval: Approval, who: Person) -> None:
    """Press what must not be pressed yet, or not by this person."""
    mine = who is approval.requester
    if not (mine and approval.awaits(Proof.SAVED)):
        await moves.save(approval, who, over="http")
    if who.id not in moves.world.book.owners:
        await moves.cancel(approval, who, over="update")
    if not (mine and approval.awaits_choice):
        await moves.choose(approval, who, "now", over="http" if mine else "update")


async def _mail(moves: Moves, approval: Approval, who: Person) -> None:
    mine = who is approval.requester
    for link in (False, True):
        kinds = [kind for kind in KINDS if mine == (kind != "right")]
        for text in {moves.codes.mailed(approval, kind, link=link) for kind in kinds}:
            await moves.confirm(approval, who, text, over="http" if mine else "update")


async def _decisions(moves: Moves, approval: Approval, who: Person) -> None:
    cast = moves.world.cast
    [credential] = [each for each in await moves.world.credentials() if each["id"] == approval.credential]
    version = int(credential["version"])
    await moves.decide(approval, credential["name"], who, version=version, is_present=True)
    for by, fault in [
        (who, None),
        (cast.unassigned_manager, None),
        (cast.account_manager, "forged"),
        (cast.account_manager, "expired"),
        (cast.account_manager, "foreign"),
        (cast.account_manager, "version"),
    ]:
        statement = moves.statement(approval, by, version=version, fault=fault)
        await moves.state(approval, statement, by=by, is_good=fault is None)
