"""Everything a person or a program can do wrong, one class each.

The class docstring is the title shown to people; ``slug`` is the stable problem type (RFC 9457);
``status`` the HTTP status it becomes. ``extra`` holds the members that a client may act on; they stand beside
RFC 9457's own, so none may be called ``type``, ``title``, ``status``, ``detail`` or ``instance``.
"""

# ruff: noqa: D404 - titles are written for people ("This request has ended."), and the classes are named after them

from typing import Any, ClassVar


class DomainError(Exception):
    """The request cannot be carried out."""

    slug: ClassVar[str] = "cannot-be-carried-out"
    status: ClassVar[int] = 400

    def __init__(self, detail: str = "", **extra: Any) -> None:
        self.detail = detail or self.title()
        self.extra = extra
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """Return the short, fixed description of this kind of error."""
        # `python -OO` strips docstrings; an error must not fail over that.
        return (cls.__doc__ or cls.slug).strip().splitlines()[0]


class InvalidInput(DomainError):
    """The input is not valid."""

    slug = "invalid-input"
    status = 422


class InvalidName(InvalidInput):
    """The name is not usable."""

    slug = "invalid-name"


class InvalidWhitelist(InvalidInput):
    """The IP whitelist has entries that are not IP addresses or networks."""

    slug = "invalid-ip-whitelist"


class InvalidTradingLimits(InvalidInput):
    """The trading limits have entries that are not limits."""

    slug = "invalid-trading-limits"


class LimitsWithoutTrade(InvalidInput):
    """Trading limits need the permission to trade: give it, or leave the limits empty."""

    slug = "trading-limits-without-trade"


class UnknownPermission(InvalidInput):
    """A permission is not known."""

    slug = "unknown-permission"


class NothingChanged(InvalidInput):
    """The edit changes nothing."""

    slug = "nothing-changed"


class AcknowledgementMissing(InvalidInput):
    """The edit must acknowledge that the key is deactivated by it."""

    slug = "acknowledgement-missing"


class RevealChallengeMissing(InvalidInput):
    """The code must come with a reveal challenge, or the secret could never be shown."""

    slug = "reveal-challenge-missing"


class IdempotencyKeyReused(InvalidInput):
    """This was sent before, with something else in it."""

    slug = "idempotency-key-reused"


class WrongCode(DomainError):
    """The code is wrong."""

    slug = "wrong-code"
    status = 422


class CodeExpired(DomainError):
    """The code has run out; ask for a new one."""

    slug = "code-expired"
    status = 422


class CodeAlreadyUsed(DomainError):
    """This code was used already; wait for the next code of your authenticator."""

    slug = "code-already-used"
    status = 409


class ResendTooEarly(DomainError):
    """A new code can be sent two minutes after the last one."""

    slug = "resend-too-early"
    status = 429


class TooManyCodes(DomainError):
    """Too many codes were sent for this account within the hour."""

    slug = "too-many-codes"
    status = 429


class TooManyWrongCodes(DomainError):
    """Too many wrong codes were entered for this account within the hour."""

    slug = "too-many-wrong-codes"
    status = 429


class TooManyRequests(DomainError):
    """Too many requests were begun for this account within the hour."""

    slug = "too-many-requests"
    status = 429


class TooManyCalls(DomainError):
    """You are going too fast; wait a moment and go on."""

    slug = "too-many-calls"
    status = 429


class TooManySms(DomainError):
    """This account had all the SMS it gets within a day."""

    slug = "too-many-sms"
    status = 429


class SmsSuspended(DomainError):
    """No SMS are sent any more today; an authenticator works without them."""

    slug = "sms-suspended"
    status = 503


class NotSignedIn(DomainError):
    """A valid bearer token is needed."""

    slug = "not-signed-in"
    status = 401


class SessionEnded(NotSignedIn):
    """You are not signed in, or your session has ended."""

    slug = "session-ended"


class SignInFailed(DomainError):
    """Signing in did not work; nothing was changed."""

    slug = "sign-in-failed"


class Forbidden(DomainError):
    """This person may not do that."""

    slug = "forbidden"
    status = 403


class PrimeLiquidityRequired(Forbidden):
    """Only owners of a Prime Liquidity account have API keys and FIX credentials."""

    slug = "prime-liquidity-owner-required"


class TwoFactorNotEnabled(Forbidden):
    """Two-factor authentication is not enabled."""

    slug = "two-factor-not-enabled"


class IssuingFrozen(Forbidden):
    """Issuing is frozen for this account."""

    slug = "issuing-frozen"


class IssuingSuspended(Forbidden):
    """The exchange issues and activates no credentials at present."""

    slug = "issuing-suspended"


class NotTheRequester(Forbidden):
    """Only the person who began this request may do that."""

    slug = "not-the-requester"


class CrossSite(Forbidden):
    """The form was sent by a page of another site."""

    slug = "cross-site"


class NotKnownHere(Forbidden):
    """You have signed in, but nobody here goes by that account."""

    slug = "not-known-here"


class NotFound(DomainError):
    """There is no such thing here."""

    slug = "not-found"
    status = 404


NO_SUCH_REQUEST = "There is no such request here; one that ended long ago has been removed."


class Conflict(DomainError):
    """This does not fit the present state."""

    slug = "conflict"
    status = 409


class NotConfirmed(Conflict):
    """The number that confirms it is not the one that was counted."""

    slug = "not-confirmed"


class NameTaken(Conflict):
    """Another API key of this account has that name."""

    slug = "name-taken"


class RequestOpen(Conflict):
    """Something about it is unfinished already: resume it or cancel it."""

    slug = "request-open"


class ActingForAnother(Conflict):
    """This page was opened for another account, or by another person."""

    slug = "acting-for-another"


class RequestClosed(Conflict):
    """This request has ended."""

    slug = "request-closed"


class NotAtThisStep(Conflict):
    """The request does not wait for that now."""

    slug = "not-at-this-step"


class SecretNotShown(Conflict):
    """The secret was not shown yet, so it cannot have been saved."""

    slug = "secret-not-shown"


class WrongStatus(Conflict):
    """The credential's status does not allow that."""

    slug = "wrong-status"


class NothingWaiting(Conflict):
    """Nothing waits for a decision here."""

    slug = "nothing-waiting"


class VersionChanged(Conflict):
    """The credential changed since it was shown; look again and decide anew."""

    slug = "version-changed"


class TooManyCredentials(Conflict):
    """The account has as many credentials as it may have."""

    slug = "too-many-credentials"


class SecretGone(DomainError):
    """The secret was shown already and is gone."""

    slug = "secret-gone"
    status = 410


class RevealRefused(Forbidden):
    """The reveal verifier does not match; only who entered the code sees the secret."""

    slug = "reveal-refused"


class InvalidStatement(Forbidden):
    """The account manager's statement is missing, wrong, old or used."""

    slug = "invalid-statement"


class InvalidLink(DomainError):
    """This link is not valid (any more)."""

    slug = "invalid-link"
    status = 422


class LinkExpired(DomainError):
    """This link has expired."""

    slug = "link-expired"
    status = 410


class BodyTooLarge(DomainError):
    """The body is too large."""

    slug = "body-too-large"
    status = 413


class BodyTooSlow(DomainError):
    """The body did not come in time."""

    slug = "body-too-slow"
    status = 408


class AddressTooLong(DomainError):
    """The address is too long."""

    slug = "address-too-long"
    status = 414


class HeadersTooLarge(DomainError):
    """The headers are too many or too large."""

    slug = "headers-too-large"
    status = 431


class Misdirected(DomainError):
    """The local stack answers to the names of this machine alone."""

    slug = "misdirected"
    status = 421


class Unavailable(DomainError):
    """A part of the system does not answer; nothing is lost, try again."""

    slug = "temporarily-unavailable"
    status = 503


class DeliveryRefused(Exception):
    """The provider will never deliver this message; ``str()`` says why, without the address."""


class SenderRefused(DeliveryRefused):
    """The provider does not take our own credentials: nothing will be delivered until they are mended."""


class DeliveryFailed(Exception):
    """The provider could not take the message now; ``str()`` says why, without the address."""


def _subclasses(cls: type[DomainError]) -> list[type[DomainError]]:
    return [cls, *(deeper for sub in cls.__subclasses__() for deeper in _subclasses(sub))]


BY_SLUG: dict[str, type[DomainError]] = {error.slug: error for error in _subclasses(DomainError)}
