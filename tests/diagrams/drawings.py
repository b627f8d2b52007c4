"""The checked-in drawings of the machines that are shipped: made anew by `make drawings`."""

from __future__ import annotations

from pathlib import Path

from scxlife.diagrams.dot import dot
from scxlife.diagrams.files import write_whole
from scxlife.diagrams.markdown import markdown
from scxlife.diagrams.mermaid import mermaid
from scxlife.fsm.loader import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "diagrams" / "drawings"
COMMAND = "make drawings"
SHIPPED = ("scheduler", "boot", "operations")
# Text only: what Graphviz makes of it differs from one version to the next.
KINDS = {"mmd": mermaid, "dot": dot, "md": markdown}


def fresh() -> dict[str, str]:
    """What each file in the folder should hold."""
    machines = {name: load(ROOT / "lifecycle" / f"{name}.yaml") for name in SHIPPED}
    return {f"{name}.{kind}": KINDS[kind](machine) for name, machine in machines.items() for kind in KINDS}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    drawings = fresh()
    for name, text in drawings.items():
        write_whole(FOLDER / name, text.encode())
    for file in FOLDER.iterdir():
        if file.name not in drawings:
            file.unlink()


if __name__ == "__main__":
    main()
