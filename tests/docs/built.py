"""What is wrong with a built site: links and anchors that lead nowhere, and whatever a page would load from elsewhere.

python -m tests.docs.built build/docs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes by which a browser loads something, without being asked.
LOADING = {
    **dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed", "track", "input"), "src"),
    "link": "href",
    "object": "data",
    "use": "href",
    "image": "href",
}
# HTML: the links that only say where something is.
TOLD = {"next", "prev", "index", "search", "canonical", "author", "license", "help"}
_IN_CSS = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


class Reader(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.anchors |= {told[name] for name in ("id", "name") if name in told}
        if tag in ("a", "area") and "href" in told:
            self.links.append(told["href"])
        if tag in LOADING and LOADING[tag] in told:
            only_told = tag == "link" and bool(TOLD & set(told.get("rel", "").split()))
            (self.links if only_told else self.loads).append(told[LOADING[tag]])
        self.loads += [part.split()[0] for part in told.get("srcset", "").split(",") if part.strip()]
        self.loads += _loaded_by(told.get("style", ""))


def _loaded_by(css: str) -> list[str]:
    return [first or second for first, second in _IN_CSS.findall(css)]


def problems(site: Path) -> list[str]:
    """All of them, each with its file."""
    readers = {file.resolve(): Reader(file.read_text()) for file in sorted(site.rglob("*.html"))}
    found = []
    for page, reader in readers.items():
        for link in reader.links:
            if not urlsplit(link).scheme and (what := _wrong(page, link, readers)):
                found.append(f"{page.relative_to(site.resolve())}: {link}: {what}")
        found += _wrongly_loaded(site, page, reader.loads)
    for sheet in sorted(site.resolve().rglob("*.css")):
        found += _wrongly_loaded(site, sheet, _loaded_by(sheet.read_text()))
    return found


def _wrongly_loaded(site: Path, file: Path, addresses: list[str]) -> Iterator[str]:
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme == "data" or address.startswith("#"):
            continue
        if parts.scheme or parts.netloc:
            yield f"{file.relative_to(site.resolve())}: {address}: is loaded from elsewhere"
        elif not (file.parent / unquote(parts.path)).exists():
            yield f"{file.relative_to(site.resolve())}: {address}: is not there to be loaded"


def _wrong(page: Path, link: str, readers: dict[Path, Reader]) -> str | None:
    parts = urlsplit(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if parts.netloc or not target.exists():
        return "there is no such file"
    anchor = unquote(parts.fragment)
    if anchor and target in readers and anchor not in readers[target].anchors:
        return "there is no such anchor"
    return None


def main(site: Path) -> int:
    """Print them, and return 1; or where it is, and how much was looked at."""
    pages = len([*site.rglob("*.html")])
    found = problems(site) if pages else [f"{site}: there is no page"]
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print(f"{site / 'index.html'}: {pages} pages, no link leads nowhere, nothing is loaded from elsewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
