"""The numbers of the product, in one place."""

import re
from dataclasses import asdict, dataclass
from datetime import timedelta

# As long as the database keeps what is over, whatever the settings say (migration 0010).
_LEAST_KEPT = {"requests_kept": timedelta(days=30), "notices_kept": timedelta(days=7)}
_CODES = re.compile(r"(\s*[0-9]{1,3}\s*(,|$))*")


@dataclass(frozen=True)
class Rules:
    """Limits and lifetimes; each field is a setting ``COUNTERSIGN_RULES__<NAME>``, told of in docs/settings.md."""

    code_lifetime: timedelta = timedelta(minutes=5)
    """How long a code is good, counted from when it was made."""
    resend_after: timedelta = timedelta(minutes=2)
    """How long after a send another can be asked for."""
    wrong_codes_per_step: int = 5
    """Wrong codes that end a step."""
    code_sends_per_hour: int = 10
    """Codes that one account is sent in an hour."""
    wrong_codes_per_hour: int = 20
    """Wrong codes that one account may enter in an hour."""
    wrong_codes_before_freeze: int = 50
    """Wrong codes in a row that freeze an account."""
    requests_per_hour: int = 60
    """Requests that one account may begin in an hour; at least 1."""
    sms_per_account_and_day: int = 40
    """SMS that one account is sent in a day."""
    sms_per_day: int = 10_000
    """SMS that all accounts together are sent in a day, a cap on what they cost; 0: none."""
    sms_countries: str = ""
    """Country calling codes that a new phone number may have, by commas; empty: all."""
    two_factor_idle: timedelta = timedelta(minutes=30)
    """How long a request waits for its two-factor code without a new one asked for."""
    secret_unacknowledged: timedelta = timedelta(minutes=30)
    """How long a new secret waits to be saved before the credential is discarded."""
    recovery_codes_showable: timedelta = timedelta(minutes=30)
    """How long new recovery codes can be shown."""
    recovery_codes: int = 10
    """Recovery codes that a person is given."""
    reveal_repeatable: timedelta = timedelta(minutes=2)
    """How long the answer with the secret can be had again."""
    activation_unconfirmed: timedelta = timedelta(hours=24)
    """How long an activation waits for its email code; then the key is left inactive."""
    first_reminder: timedelta = timedelta(hours=4)
    """How long an account manager is silent before the first reminder."""
    second_reminder: timedelta = timedelta(hours=24)
    """The same before the second reminder."""
    statement_lifetime: timedelta = timedelta(minutes=10)
    """How long an account manager's signed decision is good."""
    funds_hold: timedelta = timedelta(hours=24)
    """How long funds permissions are held back after a changed email, phone or two-factor method."""
    stop_link_lifetime: timedelta = timedelta(days=7)
    """How long "This wasn't me" works."""
    session_idle: timedelta = timedelta(minutes=30)
    """How long a browser may idle before its person signs in again."""
    session_lifetime: timedelta = timedelta(hours=12)
    """How long a browser stays signed in at most."""
    whitelist_entries: int = 100
    """Entries that an IP whitelist may have."""
    name_length: int = 64
    """Characters that the name of a key may have."""
    credentials_per_account: int = 100
    """Credentials that an account may have."""
    requests_kept: timedelta = timedelta(days=400)
    """How long a request is kept, counted from its end."""
    notices_kept: timedelta = timedelta(days=90)
    """How long a mail is kept after it went out, a link after it ran out, a recovery code after it was used."""
    activity_kept: timedelta = timedelta(days=90)
    """How long it is kept what became of the calls made with a credential; its last use stays."""
    trail_kept: timedelta = timedelta(days=400)
    """How long audit events stay in the database before ops are told that they may be archived."""

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
