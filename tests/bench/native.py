"""Programs in C beside the benchmarks, compiled when they are needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def compiled(source: str, folder: Path, *, static: bool = False) -> Path:
    """The program made of `source`, a file of this directory; `static` ones need no library in a guest."""
    program = folder / Path(source).stem
    how = ["-static"] if static else []
    try:
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", *how, HERE / source, "-o", program], check=True)
    except FileNotFoundError as error:
        raise SystemExit("gcc and libc6-dev are needed: make packages") from error
    return program
