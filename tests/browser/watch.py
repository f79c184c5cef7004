"""What goes wrong in a browser while nobody looks: it fails the test unless the test announced it."""

from dataclasses import dataclass, field

from playwright.async_api import BrowserContext, ConsoleMessage, Request, Response, WebError

_SERVER_ERROR = 500
_CLIENT_ERROR = 400
# How htmx tells that a request gave way to a newer one.
_ABORTED = ("htmx:sendAbort", "htmx:afterRequest")
_PARTS_OF_A_PAGE = frozenset({"stylesheet", "script", "image", "font", "manifest"})


@dataclass
class Watch:
    """Collects the faults of everything that browsers show, in all tabs."""

    site: str
    faults: list[str] = field(default_factory=list)
    _announced: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        context.on("weberror", self._uncaught)
        context.on("console", self._said)
        context.on("request", self._asked)
        context.on("response", self._answered)

    def announce(self, part: str) -> None:
        """Say that a fault whose text holds ``part`` belongs to this test ("503", say): without it the test fails."""
        self._announced.append(part)

    def check(self) -> None:
        """Fail for each fault that was not announced, and for each announced that did not come."""
        unforeseen = [fault for fault in self.faults if not any(part in fault for part in self._announced)]
        missing = [part for part in self._announced if not any(part in fault for fault in self.faults)]
        assert not unforeseen, "\n".join(["Went wrong in the browser:", *unforeseen])
        assert not missing, f"Announced, but did not come: {missing}"

    def _uncaught(self, error: WebError) -> None:
        self.faults.append(f"uncaught error: {error.error}")

    def _said(self, message: ConsoleMessage) -> None:
        # The browser says so of every answer from 400 on; which of them are faults is judged by the answer.
        harmless = message.text.startswith(("Failed to load resource: the server responded", *_ABORTED))
        if message.type == "error" and not harmless:
            self.faults.append(f"console error: {message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        if request.url.startswith(("data:", "blob:", "about:")):
            return
        if not request.url.startswith(f"{self.site}/"):
            self.faults.append(f"asked another host: {request.url}")

    def _answered(self, response: Response) -> None:
        is_part = response.request.resource_type in _PARTS_OF_A_PAGE
        if response.status >= (_CLIENT_ERROR if is_part else _SERVER_ERROR):
            self.faults.append(f"answer {response.status}: {response.request.method} {response.url}")
