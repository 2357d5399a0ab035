"""Pages in headless Chromium (Debian's package), driven by playwright: the `browser` fixture's other half."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIZES = {"wide": (1280, 900), "narrow": (390, 844)}


class Opened:
    """A page, and everything that it complained about or asked for."""

    def __init__(self, browser: Any, path: Path, size: str = "wide", scheme: str = "light") -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def text(self, selector: str) -> str:
        found: str = self.page.locator(selector).first.text_content()
        return found

    def column(self, number: int) -> list[str]:
        cells: list[str] = self.page.locator(f"#layer-table tbody tr > :nth-child({number})").all_text_contents()
        return cells
