"""Long texts in the whitelist's box: not looked through at every key, and told when they are sent."""

import pytest

from tests.support.cast import Cast
from tests.support.pages import Reader

UNDERSTOOD = "/settings/api-keys/understood"
NEW = "/settings/api-keys/new"


async def test_a_long_text_is_not_summed_up(cast: Cast) -> None:
    olivia = await Reader.signed_in(cast.owner)

    short = await olivia.post(UNDERSTOOD, {"ip_whitelist": "192.0.2.1 " * 800}, fragment=True)
    long = await olivia.post(UNDERSTOOD, {"ip_whitelist": "192.0.2.1 " * 801}, fragment=True)

    assert "Understood as 1 entry" in short.text
    assert (long.status, "are not summed up here" in long.text) == (200, True)


@pytest.mark.parametrize("fragment", [True, False], ids=["with script", "without script"])
async def test_a_long_text_that_is_sent_is_told_what_is_wrong_and_kept(cast: Cast, *, fragment: bool) -> None:
    olivia = await Reader.signed_in(cast.owner)
    text = " ".join(f"192.0.2.{number % 256}/{number}" for number in range(3000))
    assert len(text) > 20_000

    refused = await olivia.post(NEW, {"name": "bot", "ip_whitelist": text}, fragment=fragment)

    assert refused.status == 422
    assert "The IP whitelist has entries that are not IP addresses or networks." in refused.text
    assert text in refused.response.text
