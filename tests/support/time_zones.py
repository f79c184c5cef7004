"""Machines that are elsewhere."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def in_japan() -> Iterator[None]:
    """Have the machine be in a time zone 9 hours east of UTC."""
    with patch.dict(os.environ, {"TZ": "JST-9"}):
        time.tzset()
        yield
    time.tzset()
