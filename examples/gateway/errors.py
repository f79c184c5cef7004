"""What the example refuses, in words for its client."""


class BadRequest(Exception):
    """The client sent what cannot be understood."""


class OrderRefused(Exception):
    """An order, a transfer or a withdrawal that is understood, and not carried out."""
