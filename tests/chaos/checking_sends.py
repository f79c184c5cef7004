"""Codes and mails: what was sent, how often, and whether it is what the database says."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.adapters.standins import Received
from tests.chaos.evidence import Evidence, by
from tests.chaos.faults import Happened, Kind
from tests.chaos.inbox import code_in, mail_key, mail_text

# An answer is heard and noted within this time, unless the worker that waits for it is killed or stopped.
_NOTED_SECONDS = 3.0


def same_code(evidence: Evidence) -> Iterator[str]:
    """A mail's key names its send; texts have none, so a person never gets more different ones than sends were made."""
    mails: dict[str, set[str]] = defaultdict(set)
    for mail in evidence.mails:
        if not _is_notice(mail):
            mails[mail_key(mail)].add(code_in(mail_text(mail)))
    yield from (f"{len(codes)} different codes were mailed for one send" for codes in mails.values() if len(codes) > 1)
    texts = {each.body["Body"] for each in evidence.texts}
    made = sum(each["channel"] == "sms" for each in evidence.sends)
    if len(texts) > made:
        yield f"{len(texts)} different texts were sent for {made} sends"


def sent_once(evidence: Evidence) -> Iterator[str]:
    by_key: dict[str, list[float]] = defaultdict(list)
    for mail in evidence.confirmed_mails:
        by_key[mail_key(mail)].append(mail.at)
    for text in evidence.confirmed_texts:
        by_key[f"{text.body['To']} {text.body['Body']}"].append(text.at)
    for times in by_key.values():
        # Each repetition needs an excuse of its own: the answer before it was not heard.
        unexcused = [at for at in sorted(times)[:-1] if not _was_unheard(at, evidence.happened)]
        if unexcused:
            yield f"a message was sent {len(times)} times, though its provider had confirmed it"


def _was_unheard(at: float, happened: list[Happened]) -> bool:
    return any(
        each.fault.target.startswith("worker")
        and each.fault.kind in {Kind.KILL, Kind.CLOCK, Kind.SUSPEND}
        and each.at < at + _NOTED_SECONDS
        and each.until > at - _NOTED_SECONDS
        for each in happened
    )


def sent_as_said(evidence: Evidence) -> Iterator[str]:
    confirmed = Counter(mail_key(each) for each in evidence.confirmed_mails)
    known = {f"notice/{each['id']}" for each in evidence.notices}
    for notice in evidence.notices:
        if notice["sent_at"] is not None and not confirmed[f"notice/{notice['id']}"]:
            yield f"the mail {notice['event']} is said to be sent, and the provider took none"
        if notice["sent_at"] is None and notice["failed_at"] is None and notice["due"]:
            yield f"the mail {notice['event']} is due and was not sent"
        if notice["failed_at"] is not None:
            yield f"the mail {notice['event']} was given up"
    channels = {each["id"]: each["channel"] for each in evidence.challenges}
    for send in evidence.sends:
        key = f"{send['challenge_id']}/{send['number']}"
        known.add(key)
        if channels[send["challenge_id"]] == "email" and send["delivery"] == "sent" and not confirmed[key]:
            yield "a code is said to be sent by mail, and the provider took none"
    unknown = {mail_key(each) for each in evidence.mails} - known
    yield from (f"a mail was sent that nothing asked for: {each}" for each in unknown)
    yield from _texts_as_said(evidence)


def _texts_as_said(evidence: Evidence) -> Iterator[str]:
    said = sum(each["channel"] == "sms" and each["delivery"] == "sent" for each in evidence.sends)
    taken = len({(each.body["To"], each.body["Body"]) for each in evidence.confirmed_texts})
    if said > taken:
        yield f"{said} codes are said to be sent by SMS, and the provider took {taken}"
    for challenge in by(evidence.sends, "challenge_id").values():
        numbers = sorted(each["number"] for each in challenge)
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"the sends of a challenge are numbered {numbers}"


def _is_notice(mail: Received) -> bool:
    return mail_key(mail).startswith("notice/")
