"""A real Chromium for tests: contexts as phones hold them, and what axe-core says of a page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.support.chromium import FLAGS, executable

AXE = Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = (390, 844)
SMALL_PHONE = (360, 640)
DESKTOP = (1280, 900)
PATIENCE = 60_000
"""Milliseconds until what is expected of a page counts as not coming; on a busy machine much takes many seconds."""

expect.set_options(timeout=PATIENCE)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Start Chromium without a screen; it ends with the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_phone(
    browser: Browser, *, javascript: bool = True, dark: bool = False, size: tuple[int, int] = PHONE
) -> AsyncIterator[BrowserContext]:
    """Open a context of the size of a phone, or of another size."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        java_script_enabled=javascript,
        color_scheme="dark" if dark else "light",
    )
    context.set_default_timeout(PATIENCE)
    try:
        yield context
    finally:
        await context.close()


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a page, one line a rule.

    The page's own CSP forbids foreign scripts, so axe is run through the debugger, not as a script of the page.
    """
    await page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found: dict[str, Any] = await page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES
    )
    return [
        f"{one['id']}: {one['help']}: {'; '.join(node['html'][:120] for node in one['nodes'])}"
        for one in found["violations"]
    ]


def complaints(page: Page) -> list[str]:
    """Return a list that fills with what the page's console says of errors and of its content security policy."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "console",
        lambda message: (
            found.append(message.text)
            if message.type == "error" or re.search("content security policy", message.text, re.IGNORECASE)
            else None
        ),
    )
    return found
