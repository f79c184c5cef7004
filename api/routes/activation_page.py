"""Where the link in the activation mail leads."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter()

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Activate an API key</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 34rem; margin: 3rem auto; padding: 0 1rem }
</style>
<h1>Activate an API key</h1>
<p>Opening this page activates nothing. Go back to where you pressed ACTIVATE, and enter the code from the same
mail.</p>
<p>A program that acts for you posts what stands after the # in this address to
<code>/v1/requests/…/activation-link</code>.</p>
"""


@router.get("/activate/{request_id}", include_in_schema=False)
async def activation_page(request_id: UUID) -> HTMLResponse:  # noqa: ARG001 - the same page for every request
    """Return a page that changes nothing: mail scanners follow links."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})
