"""What ops read of an approval in the Temporal UI."""

from countersign.domain.messages import RequestState
from countersign.domain.requests import Step

_WAITING_FOR = {
    Step.STARTING: "its worker",
    Step.TWO_FACTOR_CODE: "the two-factor code",
    Step.NEW_FACTOR_CODE: "a code of the new authenticator or phone",
    Step.SECRET_SAVED: "the owner's word that the secret is saved",
    Step.ACTIVATION_CHOICE: "ACTIVATE or ACTIVATE LATER",
    Step.ACTIVATION_CODE: "the code or link from the email",
    Step.ACCOUNT_MANAGER: "the account manager",
    Step.CLOSED: "nobody",
}


def details(state: RequestState) -> str:
    """Return the step, its deadline, what it waits for and the tries left, as Markdown."""
    lines = [f"**{state.name}** waits for {_WAITING_FOR[state.step]}.", f"Step: `{state.step}`"]
    if state.outcome is not None:
        lines = [f"**{state.name}**: {state.outcome}."]
    if state.deadline is not None:
        lines.append(f"Until: {state.deadline:%Y-%m-%d %H:%M:%S} UTC")
    if state.remind_at is not None:
        lines.append(f"Next reminder: {state.remind_at:%Y-%m-%d %H:%M:%S} UTC")
    if state.attempts_left is not None:
        lines.append(f"Tries left: {state.attempts_left}")
    return "\n\n".join(lines)
