"""Whether everyone can use a page as it stands, open dialogs included: axe-core, contrast, narrow windows."""

import os
import re
from collections import Counter
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ViewportSize

from tests.browser.screens import screens

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_OPTIONS: dict[str, Any] = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}}
_CONTRAST: dict[str, Any] = {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast"]}}
_axe = Axe()
_pictured: Counter[str] = Counter()

# 320 px is what WCAG 2.1 asks for (1.4.10), 640 x 400 a screen of 1280 x 800 at 200 % zoom (1.4.4).
_NARROW = (ViewportSize(width=320, height=640), ViewportSize(width=640, height=400))
_OVERFLOWING = """() => {
  const wide = [document.scrollingElement, ...document.querySelectorAll("dialog[open]")];
  const beyond = [...document.querySelectorAll("a, button, input, select, textarea, h1, h2, dd, p")].filter((each) => {
    const box = each.getBoundingClientRect();
    const hidden = !each.checkVisibility() || each.closest(".visually-hidden, .skip-link");
    return !hidden && (box.left < -0.5 || box.right > innerWidth + 0.5);
  });
  const scrolling = wide.filter((each) => each.scrollWidth > each.clientWidth);
  return [...scrolling, ...beyond].map((each) => each.outerHTML.slice(0, 160));
}"""


async def inspect(page: Page) -> None:
    """Fail for what axe-core finds, for faint text in the dark, and for what a narrow window would lose.

    With COUNTERSIGN_SCREENS it is pictured, too, under the name of the test and a number.
    """
    await screens(page, _next_name())
    await axe(page)
    await page.emulate_media(color_scheme="dark")
    faint = await violations(page, options=_CONTRAST)
    await page.emulate_media(color_scheme=None)
    assert not faint, f"In the dark, on {page.url}:\n{faint}"
    await fits(page)


async def fits(page: Page) -> None:
    """Fail if something of the page, or of its open dialog, lies beyond the edge of a narrow window."""
    before = page.viewport_size
    for size in _NARROW:
        await page.set_viewport_size(size)
        beyond = await page.evaluate(_OVERFLOWING)
        assert not beyond, "\n".join([f"Beyond {size['width']} px on {page.url}:", *beyond])
    if before is not None:
        await page.set_viewport_size(before)


async def axe(page: Page) -> None:
    """Fail with what axe-core finds wrong: rule, impact, what it is about, and where."""
    found = (await violations(page)).splitlines()
    assert not found, "\n".join([f"axe-core on {page.url}:", *found])


async def violations(page: Page, *, options: dict[str, Any] = _OPTIONS) -> str:
    """Return what axe-core finds wrong, a line for each element; empty if nothing is."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_axe.axe_script)
    results: dict[str, Any] = await page.evaluate("options => axe.run(document, options)", options)
    return "\n".join(
        f"{found['id']} ({found['impact']}): {found['help']}: {_selector(node)}"
        for found in results["violations"]
        for node in found["nodes"]
    )


def _next_name() -> str:
    test = re.sub(r"\W+", "-", os.environ["PYTEST_CURRENT_TEST"].partition("::test_")[2].partition(" (")[0]).strip("-")
    _pictured[test] += 1
    return f"{test}-{_pictured[test]:02}"


def _selector(node: dict[str, Any]) -> str:
    return " ".join(str(part) for part in node["target"])
