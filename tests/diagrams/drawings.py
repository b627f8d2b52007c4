"""The checked-in drawings of the machines that are shipped: made anew by `make drawings`.

What Graphviz makes of a text differs from one version and one set of fonts to the next. So a picture names the digest
of the text that it was drawn from, and is drawn anew only when that is another.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from scxlife.diagrams.dot import dot
from scxlife.diagrams.dot_run import dot_run
from scxlife.diagrams.files import write_whole
from scxlife.diagrams.markdown import markdown
from scxlife.diagrams.mermaid import mermaid
from scxlife.diagrams.render import render
from scxlife.fsm.loader import load
from scxlife.lifecycle.commands.highlighted import highlighted

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "diagrams" / "drawings"
COMMAND = "make drawings"
SHIPPED = ("scheduler", "boot", "operations")
KINDS = {"mmd": mermaid, "dot": dot, "md": markdown}
VIEWS = ("startup_and_attach", "running_and_ejection", "stop_and_reap")
RUN = Path(__file__).with_name("ejected.yaml")


def texts() -> dict[str, str]:
    """What each text in the folder should hold."""
    machines = {name: load(ROOT / "lifecycle" / f"{name}.yaml") for name in SHIPPED}
    return {f"{name}.{kind}": KINDS[kind](machine) for name, machine in machines.items() for kind in KINDS}


def sources() -> dict[str, str]:
    """The DOT text that each picture in the folder should be drawn from."""
    machines = {name: load(ROOT / "lifecycle" / f"{name}.yaml") for name in SHIPPED}
    scheduler = machines["scheduler"]
    return (
        {f"{name}.svg": dot(machine) for name, machine in machines.items()}
        | {"scheduler-spine.svg": dot(scheduler, only="spine")}
        | {f"scheduler-{view}.svg": dot(scheduler, [view]) for view in VIEWS}
        | {"scheduler-run-ejected.svg": dot_run(scheduler, highlighted(scheduler, str(RUN)))}
    )


def digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def recorded(svg: str) -> str | None:
    """The digest of the text that a picture was drawn from, as the picture has it."""
    found = re.search(r"<!-- drawn from DOT text of sha256 ([0-9a-f]{64}) -->", svg)
    return found[1] if found else None


def picture(source: str) -> bytes:
    """The SVG of a DOT text, with its digest."""
    return render(source, "svg") + f"<!-- drawn from DOT text of sha256 {digest(source)} -->\n".encode()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    drawings, pictures = texts(), sources()
    for name, text in drawings.items():
        write_whole(FOLDER / name, text.encode())
    for name, source in pictures.items():
        file = FOLDER / name
        if not file.exists() or recorded(file.read_text()) != digest(source):
            write_whole(file, picture(source))
    for file in FOLDER.iterdir():
        if file.name not in {*drawings, *pictures}:
            file.unlink()


if __name__ == "__main__":
    main()
