"""An initiator of quickfix: tells, a JSON line each, what happens to one session; run where quickfix is installed."""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import quickfix as fix

_SESSION = """
[DEFAULT]
ConnectionType=initiator
ReconnectInterval=60
StartTime=00:00:00
EndTime=00:00:00
UseDataDictionary=Y
DataDictionary={dictionary}
HeartBtInt=1
ResetOnLogon={reset}
SocketConnectHost=127.0.0.1
SocketConnectPort={port}

[SESSION]
BeginString=FIX.4.4
SenderCompID={sender_comp_id}
TargetCompID={target_comp_id}
"""
_TEXT, _USERNAME, _PASSWORD = 58, 553, 554


def tell(**told: Any) -> None:
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()


class Initiator(fix.Application):  # type: ignore[misc] # quickfix has no types
    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__()
        self._told = told
        self.over = threading.Event()

    def log_out_when_told(self) -> None:
        """A closed standard input asks it to."""
        sys.stdin.read()
        self.over.set()

    def onCreate(self, session: Any) -> None:  # noqa: N802 - quickfix calls it so
        self.session = session

    def onLogon(self, session: Any) -> None:  # noqa: N802
        tell(event="logon")
        if self._told["order"]:
            fix.Session.sendToTarget(order(), session)

    def onLogout(self, _session: Any) -> None:  # noqa: N802
        tell(event="logout")
        self.over.set()

    def toAdmin(self, message: Any, _session: Any) -> None:  # noqa: N802
        if kind(message) == "A":
            message.setField(fix.StringField(_USERNAME, self._told["username"]))
            message.setField(fix.StringField(_PASSWORD, self._told["password"]))

    def fromAdmin(self, message: Any, _session: Any) -> None:  # noqa: N802
        tell(event="admin", type=kind(message), text=text(message))

    def toApp(self, message: Any, _session: Any) -> None:  # noqa: N802
        tell(event="sent", type=kind(message))

    def fromApp(self, message: Any, _session: Any) -> None:  # noqa: N802
        tell(event="application", type=kind(message), text=text(message))


def kind(message: Any) -> str:
    found = fix.MsgType()
    message.getHeader().getField(found)
    return str(found.getValue())


def text(message: Any) -> str:
    return str(message.getField(_TEXT)) if message.isSetField(_TEXT) else ""


def order() -> Any:
    message = fix.Message()
    message.getHeader().setField(fix.MsgType("D"))
    for tag, value in ((11, "one"), (55, "BTC/USD"), (54, "1"), (38, "0.5"), (40, "2"), (44, "50000")):
        message.setField(fix.StringField(tag, value))
    message.setField(fix.TransactTime())
    return message


def main() -> None:
    told = json.loads(sys.stdin.readline())
    told["dictionary"] = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
    settings = Path(told["folder"]) / "session.cfg"
    settings.write_text(_SESSION.format(**told))
    application = Initiator(told)
    initiator = fix.SocketInitiator(application, fix.MemoryStoreFactory(), fix.SessionSettings(str(settings)))
    initiator.start()
    threading.Thread(target=application.log_out_when_told, daemon=True).start()
    application.over.wait(60)
    initiator.stop()


main()
