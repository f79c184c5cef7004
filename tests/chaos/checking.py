"""The judge of a run. It knows the articles, not the code: nothing here is taken from the product.

Each rule looks at the evidence and tells what is wrong with it; a run is good when no rule tells anything.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos import checking_answers, checking_requests, checking_secrets, checking_sends
from tests.chaos.evidence import Evidence

Rule = Callable[[Evidence], Iterator[str]]
RULES: dict[str, Rule] = {
    "every request reaches a legal outcome, or waits where it was": checking_requests.legal_outcomes,
    "an open row has a running workflow, a closed one an ended workflow": checking_requests.workflows,
    "exactly one credential for each creation": checking_requests.one_credential,
    "the audit trail explains each status and outcome": checking_requests.explained,
    "the audit chain verifies": checking_requests.chained,
    "no activation without its confirmation": checking_requests.confirmed,
    "a secret is revealed once": checking_secrets.revealed_once,
    "nothing acknowledged is lost": checking_answers.nothing_lost,
    "a deactivation wins over what began before it": checking_answers.deactivation_wins,
    "one key has one effect": checking_answers.one_effect,
    "everybody gets an answer, and a right one": checking_answers.answered,
    "a repeated delivery repeats the code": checking_sends.same_code,
    "a send that the provider confirmed is not sent again": checking_sends.sent_once,
    "what is said to be sent was sent, and nothing else": checking_sends.sent_as_said,
}


@dataclass(frozen=True)
class Finding:
    """Something that must not be."""

    rule: str
    told: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.told}"


def check(evidence: Evidence) -> list[Finding]:
    """Return all that is wrong."""
    evidence.index()
    return [Finding(name, told) for name, rule in RULES.items() for told in rule(evidence)]
