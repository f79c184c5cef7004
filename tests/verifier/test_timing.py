"""Unknown keys and wrong signatures take the same time: who asks cannot tell one from the other."""

import statistics
import time
from ipaddress import ip_address

import pytest

from countersign.domain.secrets import new_api_key
from countersign.domain.verification import Call, Denied, Outcome
from countersign.storage.database import Database
from countersign.verification.failures import Failures
from countersign.verification.known import By, Lookup
from countersign.verification.verifier import Verifier
from tests.support.customers import Customer, asked
from tests.support.verifiers import Site
from tests.verification.strategies import known

_ROUNDS = 400
_A_ROUND = 20


async def medians(verifier: Verifier, calls: dict[str, Call]) -> dict[str, float]:
    """Return the median time of each, in seconds; taken in turns, so that all meet the same machine."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            for _ in range(_A_ROUND):
                assert await verifier.verify([call]) == [Denied()]
            took[name].append((time.perf_counter() - began) / _A_ROUND)
    return {name: statistics.median(each) for name, each in took.items()}


@pytest.mark.prove
async def test_the_median_tells_nothing_of_whether_there_is_such_a_key(site: Site, customer: Customer) -> None:
    key, fix, other = await customer.api_key(), await customer.fix(), await customer.api_key(active=False)
    calls = {
        "wrong signature": asked(key.rest(secret="css_wrong")),
        "unknown key": asked(key.rest(key=new_api_key(), secret="css_wrong")),
        "no key at all": asked(key.rest(key="csk_", secret="css_wrong")),
        "key that is not active": asked(other.rest(secret="css_wrong")),
        "right signature, not active": asked(other.rest()),
        "right signature, no permission": asked(key.rest(permission="funds_external")),
    }
    logons = {
        "wrong password": asked(fix.logon(password="csp_wrong")),
        "unknown session": asked(fix.logon(sender_comp_id="CS-T-0000-0000-0000", password="csp_wrong")),
    }
    database, url = Database(site.own.verifier_url), site.own.verifier_url
    await database.open()
    try:
        failures = Failures(of_pair=10**9, unknown=10**9)
        verifier = Verifier(database, url, site.keys, size=100, failures=failures)
        async with verifier.running():
            await verifier.verify([*calls.values(), *logons.values()])
            for each in (calls, logons):
                found = await medians(verifier, each)
                slowest, quickest = max(found.values()), min(found.values())
                # A network adds a hundred times what is left of a difference.
                assert slowest - quickest < 10e-6, found
    finally:
        await database.close()


def test_whoever_is_limited_is_so_whether_there_is_such_a_key_or_not() -> None:
    failures, ip = Failures(of_pair=3, unknown=100), ip_address("203.0.113.7")
    found = []
    for name, credential in (("known", known()), ("unknown", None)):
        lookup = Lookup(By.KEY, name)
        outcome = Outcome.BAD_SIGNATURE if credential else Outcome.UNKNOWN_KEY
        for _ in range(3):
            found.append(failures.are_too_many(lookup, credential, ip))
            failures.note(lookup, outcome, ip)
        found.append(failures.are_too_many(lookup, credential, ip))
    assert found == [False, False, False, True] * 2
