"""Why there is no decision. Whatever is raised: the call must not be carried out."""


class VerifierUnavailable(Exception):
    """The verifier did not answer, or not as it should: answer 503, or end the session."""


class NotLetIn(VerifierUnavailable):
    """The verifier does not know this gateway: its token has run out, or its certificate's name is not let in."""


class QuestionRefused(VerifierUnavailable):
    """The verifier could not read the question: another version of it, or a fault of this client."""
