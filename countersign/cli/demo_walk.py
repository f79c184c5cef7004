"""The walk of ``countersign demo``: what each person sees and does, over the HTTP API."""

import asyncio
import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pyotp

from countersign.cli.http import Api
from countersign.cli.narrator import Narrator
from countersign.domain.errors import CodeAlreadyUsed, Unavailable
from countersign.local.demo import DEMO_USERS, DemoUser
from countersign.local.sign_in import demo_totp_seed
from countersign.settings import Settings

_PATIENCE_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 0.1
_SHOWN_CHARACTERS = 8
_SESSION = "trade"


@dataclass
class Walk:
    """One creation by a demo owner; ``sleep`` is what waits, in seconds."""

    settings: Settings
    owner_name: str
    owner: Api
    manager: Api
    narrator: Narrator
    sleep: Callable[[float], None] = time.sleep
    _verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _request: str = ""

    @property
    def _who(self) -> str:
        return self.owner_name.title()

    @property
    def _path(self) -> str:
        return f"/v1/requests/{self._request}"

    def create_api_key(self) -> None:
        """From + NEW API KEY to an active key."""
        # No six digits in a row: the name stands in the mail before the code does.
        form = {
            "name": f"Demo {datetime.now(UTC):%m-%d %H:%M} {secrets.token_hex(2)}",
            "permissions": ["read", "trade"],
            "ip_whitelist": "203.0.113.7; 2001:db8::/48",
        }
        self._begin("/v1/api-keys", form)
        self.narrator.step(
            f"{self._who} presses + NEW API KEY, fills in the form, and CREATE API Key",
            f"Name:          {form['name']}",
            "Permissions:   read, trade",
            f"IP whitelist:  {form['ip_whitelist']}",
            *self._begun(),
        )
        self._two_factor()
        self._secret("API Key", "api_key", "API Secret", "api_secret")
        self.owner.post(f"{self._path}/activation", {"when": "now"})
        self.narrator.step(f"{self._who} presses ACTIVATE", "A mail with a code and a link is on its way.")
        self._activation_code()
        self._end("api-keys")

    def create_fix_credentials(self) -> None:
        """From + NEW FIX CREDENTIALS to credentials that the account manager activated."""
        self._account_manager(self.ask_account_manager()["name"])
        self._end("fix-credentials")

    def ask_account_manager(self) -> dict[str, Any]:
        """From + NEW FIX CREDENTIALS to the wait for the account manager; return the request that waits."""
        self._begin("/v1/fix-credentials", {"session_type": _SESSION})
        self.narrator.step(
            f"{self._who} presses + NEW FIX CREDENTIALS, and FOR TRADE SESSION",
            "The creation is interrupted when the code runs out after 5 minutes.",
            *self._begun(),
        )
        self._two_factor()
        self._secret("Session Name", "session_name", "Password", "password", between=("Username", "username"))
        shown = self.owner.post(f"{self._path}/activation", {"when": "now"})
        self.narrator.step(
            f"{self._who} presses ACTIVATE",
            "The credentials are created. The account manager is asked to activate them;",
            f"the Session Name to quote is {shown['name']}",
        )
        return dict(shown)

    def _begin(self, path: str, form: dict[str, Any]) -> None:
        self._request = self.owner.post(path, form)["id"]
        self._until(lambda shown: shown["step"] == "two_factor_code", what="The worker has not begun")

    def _begun(self) -> tuple[str, str]:
        return "", f"Request {self._request} begins and waits for {self._who}."

    def _two_factor(self) -> None:
        if self._shown()["channel"] == "authenticator":
            self._enter_authenticator_code()
            return
        message = self._message(_user(self.owner_name).phone or "", mentions=self._shown()["name"])
        self._enter_code(_code_in(message))
        self.narrator.step(f"An SMS to {message['to']}; {self._who} enters the code", message["text"])

    def _enter_authenticator_code(self) -> None:
        totp = pyotp.TOTP(asyncio.run(demo_totp_seed(self.settings, self.owner_name)))
        while True:
            code = totp.now()
            try:
                self._enter_code(code)
            except CodeAlreadyUsed:
                seconds = totp.interval - time.time() % totp.interval
                self.narrator.say(f"The authenticator's code was used already; the next comes in {seconds:.0f} s.")
                self.sleep(seconds + _LOOK_EVERY_SECONDS)
            else:
                break
        self.narrator.step(f"{self._who}'s authenticator shows a code; {self._who} enters it", f"Code: {code}")

    def _enter_code(self, code: str) -> None:
        # S256 (RFC 7636): only who holds the verifier, here this process, is shown the secret.
        digest = hashlib.sha256(self._verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        self.owner.post(f"{self._path}/two-factor-code", {"code": code, "reveal_challenge": challenge})

    def _secret(self, label: str, name: str, secret_label: str, secret: str, **between: tuple[str, str]) -> None:
        shown = self.owner.post(f"{self._path}/secret", {"reveal_verifier": self._verifier})
        rows = [(label, shown[name]), *((title, shown[key]) for title, key in between.values())]
        rows.append((secret_label, f"{shown[secret][:_SHOWN_CHARACTERS]}… (whole for {self._who}, not here)"))
        width = max(len(title) for title, _ in rows) + 2
        self.narrator.step(
            f"{self._who} sees, once and never again", *(f"{f'{title}:':{width}}{value}" for title, value in rows)
        )
        self.owner.post(f"{self._path}/secret-saved")
        self.narrator.step(f"{self._who} ticks that it is saved", "Now ACTIVATE and ACTIVATE LATER can be pressed.")

    def _activation_code(self) -> None:
        mail = self._message(_user(self.owner_name).email, mentions=f"/activate/{self._request}#")
        self.narrator.step(f"A mail to {mail['to']}", f"Subject: {mail['subject']}", "", mail["text"].strip())
        self.owner.post(f"{self._path}/activation-code", {"code": _code_in(mail)})
        self.narrator.step(f"{self._who} enters the code from the mail", "The API key is active.")

    def _account_manager(self, session_name: str) -> None:
        mail = self._message(_user("amy").email, mentions=session_name)
        self.narrator.step(f"A mail to {mail['to']}", f"Subject: {mail['subject']}", "", mail["text"].strip())
        waiting = self.manager.get("/v1/account-manager/queue")
        entry = next(each for each in waiting if each["session_name"] == session_name)
        self.narrator.step(
            "Amy, the account manager, looks into her queue",
            f"Session Name:  {session_name}",
            f"Account:       {entry['account_name']}",
            f"For:           {entry['session_type']}, version {entry['version']}",
            f"Workflow:      {entry['workflow_id']}",
            "In a terminal: countersign fix queue --as amy",
        )
        decision = {"decision": "activate", "version": entry["version"]}
        self.manager.post(f"/v1/account-manager/fix-credentials/{session_name}/decision", decision)
        self.narrator.step(
            "Amy activates",
            "The FIX credentials are active.",
            f"In a terminal: countersign fix activate {session_name} --as amy",
        )

    def _end(self, collection: str) -> None:
        shown = self._shown()
        credential = self.owner.get(f"/v1/{collection}/{shown['credential_id']}")
        self.narrator.say("", f"{shown['name']} is {credential['status']}. Where to look:")
        for link in self._links(shown["workflow_id"]):
            self.narrator.say(f"  {link}")

    def _links(self, workflow_id: str) -> list[str]:
        # On the local stack the one page that may use the codec endpoint is Temporal's UI.
        workflow = f"namespaces/{self.settings.temporal_namespace}/workflows/{quote(workflow_id, safe='')}"
        pages = [f"{ui}/{workflow}" for ui in self.settings.codec_cors_origins[:1]]
        return [*pages, f"countersign requests show {self._request}", f"{self.owner.url}/local/inbox"]

    def _shown(self) -> dict[str, Any]:
        return dict(self.owner.get(self._path))

    def _message(self, to: str, *, mentions: str) -> dict[str, Any]:
        """Return the newest SMS or mail to a person that mentions something; raises ``Unavailable``."""

        def newest() -> dict[str, Any] | None:
            messages = self.owner.get("/local/inbox", to=to)
            return next((each for each in messages if mentions in each["text"]), None)

        return self._wait(newest, what="Nothing reached the local inbox; do Twilio or SendGrid have it")

    def _until(self, fits: Callable[[dict[str, Any]], bool], *, what: str) -> None:
        self._wait(lambda: shown if fits(shown := self._shown()) else None, what=what)

    def _wait(self, look: Callable[[], dict[str, Any] | None], *, what: str) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise Unavailable(f"{what}? See `countersign requests show {self._request}`.")
            self.sleep(_LOOK_EVERY_SECONDS)
        return found


def _user(name: str) -> DemoUser:
    return next(user for user in DEMO_USERS if user.name == name)


def _code_in(message: dict[str, Any]) -> str:
    found = re.search(r"\b\d{6}\b", message["text"])
    if found is None:
        raise Unavailable("The message in the local inbox has no code.")
    return found[0]
