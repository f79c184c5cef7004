"""Pages as a signed-in person reads them over HTTP, and the forms on them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import Morsel, SimpleCookie
from typing import Self

import httpx
from starlette.responses import Response

from api.pages.visitors import new_session
from countersign.settings import Settings
from countersign.storage import sessions
from tests.support.cast import Person

HTML = {"Accept": "text/html"}
FRAGMENT = {**HTML, "HX-Request": "true", "HX-Target": "dialog-panel"}
_EMPTY_ELEMENTS = frozenset({"br", "hr", "img", "input", "link", "meta"})
_UNSEEN = frozenset({"head", "script", "style", "svg", "dialog"})


@dataclass
class Form:
    """A form: where it goes, and what it sends if nothing is typed."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Page:
    """An answer as a person sees it: without what is hidden."""

    response: httpx.Response
    text: str
    forms: list[Form]
    links: list[str]

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        seen = _Seen()
        seen.feed(response.text)
        return cls(response, " ".join("".join(seen.text).split()), seen.forms, seen.links)

    @property
    def status(self) -> int:
        return self.response.status_code

    def form_to(self, action: str) -> Form:
        """Return the form that is sent there."""
        [found] = [form for form in self.forms if form.action == action]
        return found


@dataclass
class Reader:
    """A person at the pages; None is somebody who has not signed in."""

    http: httpx.AsyncClient
    cookie: str = ""

    @classmethod
    async def signed_in(cls, person: Person, http: httpx.AsyncClient | None = None) -> Self:
        """Give the person a session, past the sign-in page."""
        cookie = await session_cookie(person, person.core.settings)
        return cls(http or person.http, f"{cookie.key}={cookie.value}")

    async def is_signed_in(self) -> bool:
        return (await self.get("/settings/security")).status == 200

    async def get(self, path: str, *, fragment: bool = False) -> Page:
        headers = FRAGMENT if fragment else HTML
        return Page.of(await self.http.get(path, headers={**headers, "Cookie": self.cookie}))

    async def post(self, path: str, form: dict[str, str], *, fragment: bool = False, site: str = "same-origin") -> Page:
        """Send a form from a page of this site, or of another."""
        headers = {**(FRAGMENT if fragment else HTML), "Sec-Fetch-Site": site, "Cookie": self.cookie}
        return Page.of(await self.http.post(path, data=form, headers=headers))

    async def send(self, form: Form, *, fragment: bool = False, **typed: str) -> Page:
        """Send a form of a page, with what is typed into it."""
        return await self.post(form.action, {**form.fields, **typed}, fragment=fragment)


async def session_cookie(person: Person, settings: Settings) -> Morsel[str]:
    """Return the cookie of a new session of the person's, past the sign-in page."""
    response = Response()
    async with person.core.database.connection() as connection:
        session = new_session(settings, response, user_id=person.id, account_id=person.account_id)
        await sessions.insert(connection, session)
    [cookie] = SimpleCookie(response.headers["set-cookie"]).values()
    return cookie


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._unseen: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "form":
            self.forms.append(Form(told.get("action") or "", told.get("method") or "get"))
        if tag == "a":
            self.links.append(told.get("href") or "")
        if tag in {"input", "textarea"} and self.forms and (name := told.get("name")):
            self.forms[-1].fields[name] = told.get("value") or ""
        if tag not in _EMPTY_ELEMENTS:
            self._unseen.append("hidden" in told or tag in _UNSEEN)
        self.text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag not in _EMPTY_ELEMENTS:
            self._unseen.pop()
        self.text.append(" ")

    def handle_data(self, data: str) -> None:
        if not any(self._unseen):
            self.text.append(data)
