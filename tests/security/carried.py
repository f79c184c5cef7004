"""Every journey on a real stack, with each value that was sent, shown or entered on the way kept as a canary."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pyotp

from countersign.adapters.keyring import Purpose
from countersign.domain.messages import AccountManagerDecision
from countersign.local.sign_in import demo_totp_seed
from countersign.wiring import parts
from tests.security.canaries import Canaries, Kind
from tests.support.cast import Providers
from tests.support.processes import Creation, DemoPerson, RunningStack, wait_until

PHONES = {"sam": "+12025550123", "nora": "+442079460321"}
FUNDS = {"permissions": ["trade", "funds_external"]}
_WRONG_CODES = 5


@dataclass
class Carrier(DemoPerson):
    """A demo person whose SMS and mails reach the stand-ins of Twilio and SendGrid, and whose every word is kept."""

    providers: Providers
    canaries: Canaries
    refusals: list[str] = field(default_factory=list)

    def token(self) -> str:
        token = super().token()
        self.canaries.add(Kind.BEARER, token)
        return token

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        response = super().call(method, path, body)
        if response.is_error:
            self.refusals.append(f"{response.headers}\n{response.text}")
        return response

    def inbox(self) -> list[dict[str, Any]]:
        texts = self.providers.texts_to(PHONES.get(self.name, ""))
        mails = self.providers.mails_to(f"{self.name}@example.com")
        found = [{"channel": "sms", "text": text} for text in reversed(texts)]
        return found + [{"channel": "mail", "text": each["content"][0]["value"]} for each in reversed(mails)]


@dataclass
class Walk:
    """The journeys, one after another; ``answers`` is all that was told where nothing had to be kept from anybody."""

    stack: RunningStack
    providers: Providers
    canaries: Canaries = field(default_factory=Canaries)
    people: dict[str, Carrier] = field(default_factory=dict)

    def person(self, name: str) -> Carrier:
        if name not in self.people:
            self.people[name] = Carrier(self.stack, name, providers=self.providers, canaries=self.canaries)
            self.canaries.add(Kind.EMAIL, f"{name}@example.com")
        return self.people[name]

    def go(self) -> None:
        """Go through all of them."""
        self.canaries.add(Kind.PHONE, *PHONES.values())
        key = self._key_by_sms()
        self._edit_and_activate(key)
        self._key_by_authenticator()
        self._fix_by_decision()
        self._fix_by_statement()
        self._two_factor_change()
        self._stopped()
        self._refused()
        self._expired()
        self._signed_in()

    def _key_by_sms(self) -> str:
        sam = self.person("sam")
        creation = self._begin(sam, "/v1/api-keys", {"name": f"carried {uuid4().hex}", **FUNDS})
        self._wrong(creation)
        self._pass(creation, self._sent(creation))
        self._to_mail(creation)
        creation.post("/activation-code", {"code": self._sent(creation)})
        return str(creation.shown()["credential_id"])

    def _edit_and_activate(self, key: str) -> None:
        sam = self.person("sam")
        form = {"permissions": ["read"], "ip_whitelist": "203.0.113.7", "acknowledge_deactivation": True}
        edit = self._begin(sam, f"/v1/api-keys/{key}/edits", form)
        self._enter(edit, self._sent(edit))
        edit.post("/activation", {"when": "later"})
        again = self._begin(sam, f"/v1/api-keys/{key}/activations", None)
        self._enter(again, self._sent(again))
        assert sam.get(f"/v1/api-keys/{key}")["status"] == "active"

    def _key_by_authenticator(self) -> None:
        olivia = self.person("olivia")
        creation = self._begin(olivia, "/v1/api-keys", {"name": f"carried {uuid4().hex}", **FUNDS})
        self._pass(creation, self._made("olivia"))
        self._to_mail(creation)
        self._sent(creation)
        token = creation.link_token()
        self.canaries.add(Kind.LINK, token)
        creation.post("/activation-link", {"token": token})

    def _fix_by_decision(self) -> None:
        creation = self._fix("sonia", self._made)
        about = f"/v1/account-manager/fix-credentials/{creation.shown()['name']}"
        version = self.person("amy").get(about)["version"]
        decided = self.person("amy").call("POST", f"{about}/decision", {"decision": "activate", "version": version})
        assert decided.status_code == httpx.codes.OK

    def _fix_by_statement(self) -> None:
        creation = self._fix("sam", None)
        about = f"/v1/account-manager/fix-credentials/{creation.shown()['name']}"
        version = self.person("amy").get(about)["version"]
        body = {"decision": "activate", "version": version}
        statement = self.person("amy").call("POST", f"{about}/statement", body).json()["statement"]
        self.canaries.add(Kind.STATEMENT, statement)
        asyncio.run(self._signal(creation.shown()["workflow_id"], statement))
        creation.until(lambda shown: shown["outcome"] == "activated")

    def _two_factor_change(self) -> None:
        nora = self.person("nora")
        enrolling = Creation(nora, "")
        form = {"to": "authenticator", "reveal_challenge": enrolling.code_body("")["reveal_challenge"]}
        self._change(enrolling, form)
        seed = enrolling.post("/enrolment", {"reveal_verifier": enrolling.verifier})["secret"]
        self.canaries.add(Kind.SEED, seed)
        self._enter(enrolling, pyotp.TOTP(seed).now())
        codes = enrolling.post("/recovery-codes", {"reveal_verifier": enrolling.verifier})["codes"]
        self.canaries.add(Kind.RECOVERY, *codes)
        away = self._change(Creation(nora, ""), {"to": "off"})
        away.post("/recovery-code", {"code": codes[0]})
        by_phone = self._change(Creation(nora, ""), {"to": "sms", "phone": PHONES["nora"]})
        self._enter(by_phone, self._sent(by_phone))

    def _refused(self) -> None:
        sam = self.person("sam")
        creation = self._begin(sam, "/v1/fix-credentials", {"session_type": "trade"})
        self._sent(creation)
        for number in range(_WRONG_CODES):
            self._wrong(creation, number)
        assert creation.shown()["outcome"] == "refused"
        malformed = sam.call(
            "POST", f"/v1/requests/{creation.id}/two-factor-code", {"code": ["734912"], "more": "734912"}
        )
        assert malformed.status_code == httpx.codes.UNPROCESSABLE_ENTITY
        self.canaries.add(Kind.CODE, "734912")

    def _expired(self) -> None:
        sam = self.person("sam")
        creation = self._begin(sam, "/v1/fix-credentials", {"session_type": "trade"})
        code = self._sent(creation)
        url = self.stack.settings.database_url.get_secret_value()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE requests SET deadline = now() WHERE id = %s", (creation.id,))
        refused = sam.call("POST", f"/v1/requests/{creation.id}/two-factor-code", creation.code_body(code))
        assert refused.status_code == httpx.codes.CONFLICT

    def _signed_in(self) -> None:
        with httpx.Client(base_url=self.stack.url, follow_redirects=True, headers={"Accept": "text/html"}) as browser:
            arrived = browser.get("/sign-in/start", params={"next": "/settings/api-keys", "login_hint": "sam"})
            assert (arrived.status_code, arrived.url.path) == (httpx.codes.OK, "/settings/api-keys")
            self.canaries.add(Kind.SESSION, *[cookie.value for cookie in browser.cookies.jar if cookie.value])

    def _fix(self, name: str, made: Any) -> Creation:
        creation = self._begin(self.person(name), "/v1/fix-credentials", {"session_type": "trade"})
        self._pass(creation, made(name) if made else self._sent(creation))
        creation.post("/activation", {"when": "now"})
        return creation

    def _begin(self, person: Carrier, path: str, body: object) -> Creation:
        creation = person.begin(path, body)
        creation.until(lambda shown: shown["step"] != "starting")
        self.canaries.add(Kind.VERIFIER, creation.verifier)
        return creation

    def _change(self, creation: Creation, form: dict[str, Any]) -> Creation:
        creation.id = creation.person.begin("/v1/security/changes", form).id
        creation.until(lambda shown: shown["step"] != "starting")
        self.canaries.add(Kind.VERIFIER, creation.verifier)
        return creation

    def _pass(self, creation: Creation, code: str) -> None:
        """Enter the code, see the secret and save it."""
        self._enter(creation, code)
        shown = creation.reveal()
        self.canaries.add(Kind.SECRET, *[shown[name] for name in ("api_secret", "password") if shown.get(name)])
        creation.post("/secret-saved")

    def _to_mail(self, creation: Creation) -> None:
        creation.post("/activation", {"when": "now"})

    def _enter(self, creation: Creation, code: str) -> None:
        self.canaries.add(Kind.CODE, code)
        creation.post("/two-factor-code", creation.code_body(code))

    def _sent(self, creation: Creation) -> str:
        code = creation.sent_code()
        self.canaries.add(Kind.CODE, code)
        for each in creation.person.inbox():
            self.canaries.add(Kind.LINK, *re.findall(r"/activate/[\w-]+#([\w-]+)", each["text"]))
        return code

    def _stopped(self) -> None:
        olivia = self.person("olivia")
        before = len(_stop_links(olivia))
        self._begin(olivia, "/v1/api-keys", {"name": f"carried {uuid4().hex}", **FUNDS})
        wait_until(lambda: len(_stop_links(olivia)) > before)
        stop_id, token = _stop_links(olivia)[0]
        self.canaries.add(Kind.STOP, token)
        pressed = olivia.call("POST", f"/v1/stops/{stop_id}", {"token": token})
        assert pressed.json()["effect"] == "cancelled"

    def _made(self, name: str) -> str:
        seed = asyncio.run(demo_totp_seed(self.stack.settings, name))
        self.canaries.add(Kind.SEED, seed)
        return pyotp.TOTP(seed).now()

    def _wrong(self, creation: Creation, number: int = 0) -> None:
        taken = set(self.canaries.of(Kind.CODE))
        code = next(
            each
            for each in (f"{(417_923 + 100_003 * (number + n)) % 10**6:06}" for n in range(20))
            if each not in taken
        )
        self.canaries.add(Kind.CODE, code)
        path = f"/v1/requests/{creation.id}/two-factor-code"
        refused = creation.person.call("POST", path, creation.code_body(code))
        assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY, refused.text

    async def _signal(self, workflow_id: str, statement: str) -> None:
        async with parts(self.stack.settings, purposes=frozenset(Purpose), lazy=False) as core:
            message = AccountManagerDecision(statement=statement)
            await core.client.get_workflow_handle(workflow_id).signal("account_manager_decision", message)


def _stop_links(person: Carrier) -> list[tuple[str, str]]:
    """Return ids and tokens of the links that stop what the person's mails tell of, newest first."""
    texts = [each["text"] for each in person.inbox()]
    return [(found[1], found[2]) for text in texts if (found := re.search(r"/stop/([\w-]+)#([\w-]+)", text))]
