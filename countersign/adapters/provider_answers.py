"""Whether a provider's answer is final, the same for every provider."""

from countersign.domain.errors import DeliveryFailed, DeliveryRefused, SenderRefused

_CLIENT_ERRORS = range(400, 500)
_WORTH_A_RETRY = frozenset({408, 425, 429})
_ABOUT_US = frozenset({401, 403})


def delivery_error(provider: str, *, status: int, code: str = "") -> DeliveryRefused | DeliveryFailed:
    """Return the error for an HTTP ``status`` that is no success, with the provider's own ``code`` if it gave one.

    The provider's message is left out on purpose: it quotes the number or the address.
    """
    said = f"{provider} answered {status}{f' ({code})' if code else ''}."
    if status in _ABOUT_US:
        return SenderRefused(said)
    if status in _CLIENT_ERRORS and status not in _WORTH_A_RETRY:
        return DeliveryRefused(said)
    return DeliveryFailed(said)


def no_answer(provider: str, *, seconds: float) -> DeliveryFailed:
    """Return the error for a provider that did not answer within ``seconds``."""
    return DeliveryFailed(f"{provider} did not answer within {seconds:g} s.")


def no_sense(provider: str) -> DeliveryFailed:
    """Return the error for an answer that the provider's SDK cannot read."""
    return DeliveryFailed(f"{provider} gave an answer that makes no sense.")


def unreachable(provider: str) -> DeliveryFailed:
    """Return the error for a provider that cannot be reached, or hung up."""
    return DeliveryFailed(f"{provider} cannot be reached.")
