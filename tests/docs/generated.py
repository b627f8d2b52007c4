"""What stands between `<!-- generated: NAME -->` and `<!-- end -->` is made from the code; `make pages` renews it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs import command_help, lifecycle_tables, mistakes, outcome_tables, replayed

from scxlife.diagrams.files import write_whole

DOCS = Path(__file__).parents[2] / "docs"
COMMAND = "make pages"
_REGION = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
Maker = Callable[[str], str]
#: Who makes the regions of a page, each from its name.
MAKERS: Mapping[str, Maker] = {
    "lifecycle.md": lifecycle_tables.region,
    "outcomes.md": outcome_tables.region,
    "commands.md": command_help.region,
    "mistakes.md": mistakes.region,
}


def names(page: str) -> list[str]:
    """The names of the page's regions, in its order."""
    return [match[2] for match in _REGION.finditer((DOCS / page).read_text())]


def fresh(page: str) -> str:
    """The whole page with its regions as they should be. Raises KeyError for the name of a region that nobody makes."""
    make = MAKERS[page]
    return _REGION.sub(lambda match: f"{match[1]}\n{make(match[2])}\n{match[3]}", (DOCS / page).read_text())


def main() -> None:
    for page in MAKERS:
        write_whole(DOCS / page, fresh(page).encode())
    for page in replayed.PAGES:
        write_whole(DOCS / page, replayed.replayed(DOCS / page).encode())


if __name__ == "__main__":
    main()
