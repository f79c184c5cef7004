import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from countersign.adapters.local_inbox import LocalInbox
from countersign.adapters.senders import Mail

MAIL = Mail(subject="Hello", text="text", html="<p>text</p>")
SEND_FIFTY = """
import asyncio, sys
from pathlib import Path
from countersign.adapters.local_inbox import LocalInbox
async def send():
    inbox = LocalInbox(Path(sys.argv[1]))
    await asyncio.gather(*(inbox.send_sms(to="+1", text="x", key=f"{n}") for n in range(50)))
asyncio.run(send())
"""


@pytest.fixture
def inbox(tmp_path: Path) -> LocalInbox:
    return LocalInbox(tmp_path)


async def test_it_keeps_messages_newest_first(inbox: LocalInbox) -> None:
    await inbox.send_sms(to="+447700900123", text="one", key="1")
    await inbox.send_mail(to="a@example.com", mail=MAIL, key="2")
    newest, oldest = await inbox.messages()
    assert (newest.id, newest.channel, newest.to, newest.subject) == ("2", "mail", "a@example.com", "Hello")
    assert (newest.text, newest.html) == ("text", "<p>text</p>")
    assert (oldest.id, oldest.channel, oldest.to, oldest.text) == ("1", "sms", "+447700900123", "one")
    assert oldest.at <= newest.at


async def test_the_same_key_is_stored_once(inbox: LocalInbox) -> None:
    await inbox.send_sms(to="+1", text="first", key="1")
    await inbox.send_sms(to="+1", text="again", key="1")
    assert [message.text for message in await inbox.messages()] == ["first"]


async def test_it_filters_by_recipient_and_limits(inbox: LocalInbox) -> None:
    for number in range(5):
        await inbox.send_sms(to=f"+{number % 2}", text=str(number), key=str(number))
    assert [message.text for message in await inbox.messages(to="+1")] == ["3", "1"]
    assert [message.text for message in await inbox.messages(limit=2)] == ["4", "3"]
    assert await inbox.messages(to="+1' OR 1=1 --") == []
    assert await inbox.messages(limit=-1) == []


async def test_an_inbox_that_nobody_wrote_to_is_empty(inbox: LocalInbox) -> None:
    assert await inbox.messages() == []


async def test_no_other_user_can_read_it(inbox: LocalInbox, tmp_path: Path) -> None:
    await inbox.send_sms(to="+1", text="x", key="1")
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("inbox.db*")} == {"inbox.db": 0o600}


async def test_several_processes_write_at_once_and_each_key_is_kept_once(inbox: LocalInbox, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SEND_FIFTY, str(tmp_path)]
    writers = [subprocess.Popen(command) for _ in range(3)]
    ended = await asyncio.gather(*(asyncio.to_thread(writer.wait, 30) for writer in writers))
    assert ended == [0, 0, 0]
    assert len(await inbox.messages()) == 50
