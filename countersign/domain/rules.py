"""The numbers of the product, in one place."""

import re
from dataclasses import asdict, dataclass
from datetime import timedelta

# As long as the database keeps what is over, whatever the settings say (migration 0010).
_LEAST_KEPT = {"requests_kept": timedelta(days=30), "notices_kept": timedelta(days=7)}
_CODES = re.compile(r"(\s*[0-9]{1,3}\s*(,|$))*")


@dataclass(frozen=True)
class Rules:
    """Limits and lifetimes; each field is a setting ``COUNTERSIGN_RULES__<NAME>``.

    ``sms_per_day`` is a cap on what all accounts together cost; 0 is none. ``sms_countries`` are the country calling
    codes that a new phone number may have, by commas; none named are all. ``requests_kept`` counts from a request's
    end, ``notices_kept`` from when a mail went out, a link in it ran out, or a recovery code was used; ``trail_kept``
    is how long audit events stay in the database before ops are told that they may be archived.
    """

    code_lifetime: timedelta = timedelta(minutes=5)
    resend_after: timedelta = timedelta(minutes=2)
    wrong_codes_per_step: int = 5
    code_sends_per_hour: int = 10
    wrong_codes_per_hour: int = 20
    wrong_codes_before_freeze: int = 50
    requests_per_hour: int = 60
    sms_per_account_and_day: int = 40
    sms_per_day: int = 10_000
    sms_countries: str = ""
    two_factor_idle: timedelta = timedelta(minutes=30)
    secret_unacknowledged: timedelta = timedelta(minutes=30)
    recovery_codes_showable: timedelta = timedelta(minutes=30)
    recovery_codes: int = 10
    reveal_repeatable: timedelta = timedelta(minutes=2)
    activation_unconfirmed: timedelta = timedelta(hours=24)
    first_reminder: timedelta = timedelta(hours=4)
    second_reminder: timedelta = timedelta(hours=24)
    statement_lifetime: timedelta = timedelta(minutes=10)
    funds_hold: timedelta = timedelta(hours=24)
    stop_link_lifetime: timedelta = timedelta(days=7)
    session_idle: timedelta = timedelta(minutes=30)
    session_lifetime: timedelta = timedelta(hours=12)
    whitelist_entries: int = 100
    name_length: int = 64
    credentials_per_account: int = 100
    requests_kept: timedelta = timedelta(days=400)
    notices_kept: timedelta = timedelta(days=90)
    trail_kept: timedelta = timedelta(days=400)

    def __post_init__(self) -> None:
        """Raise ``ValueError`` naming the numbers below zero: a limit that nothing can keep is a slip of the pen."""
        wrong = [name for name, number in asdict(self).items() if number < type(number)()]
        if wrong:
            raise ValueError(f"Below zero: {', '.join(wrong)}.")
        if not self.requests_per_hour:
            raise ValueError("requests_per_hour is 0: nobody could begin anything.")
        if not _CODES.fullmatch(self.sms_countries):
            raise ValueError("sms_countries are country calling codes by commas: 1, 44.")
        for name, least in _LEAST_KEPT.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is less than {least.days} days, which the database keeps at the least.")

    @property
    def sms_country_codes(self) -> frozenset[int]:
        """The country calling codes that a new phone number may have; none for all."""
        return frozenset(map(int, re.findall("[0-9]+", self.sms_countries)))
