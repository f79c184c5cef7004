"""What can keep the local stack from running, in words for the person who started it."""


class StackError(Exception):
    """The local stack cannot go on; the text says why and what helps, in one line and without secrets."""


class StopRequested(BaseException):
    """Someone asked the stack to stop while it was still starting."""
