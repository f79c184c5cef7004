"""Pictures of pages and dialogs, for people to look at."""

import os
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.async_api import Page, ViewportSize

FOLDER = "COUNTERSIGN_SCREENS"
_SIZES = {"phone": ViewportSize(width=390, height=844), "desktop": ViewportSize(width=1280, height=800)}
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def screens(page: Page, name: str) -> list[Path]:
    """Take the page as it stands on phone and desktop, light and dark, into the folder $COUNTERSIGN_SCREENS.

    Returns the files; none where the variable is not set. Nothing is loaded again: an open dialog stays open.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return []
    before = page.viewport_size
    taken = [
        await _take(page, Path(folder) / f"{name}-{size}-{scheme}.png", size=size, scheme=scheme)
        for size, scheme in product(_SIZES, _SCHEMES)
    ]
    await page.emulate_media(color_scheme=None)
    if before is not None:
        await page.set_viewport_size(before)
    return taken


async def _take(page: Page, path: Path, *, size: str, scheme: Literal["light", "dark"]) -> Path:
    await page.set_viewport_size(_SIZES[size])
    await page.emulate_media(color_scheme=scheme)
    await page.screenshot(path=path, full_page=True, animations="disabled")
    return path
