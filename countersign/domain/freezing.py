"""Freezing what the whole exchange issues."""

from enum import StrEnum


class HouseFreeze(StrEnum):
    """What is frozen for all accounts: nothing, what would begin, or also the next step of whatever is open."""

    NONE = "none"
    NEW = "new"
    ALL = "all"
