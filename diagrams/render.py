"""DOT text into pictures, by Graphviz' `dot`."""

from __future__ import annotations

import shutil
import subprocess

from scxlife.diagrams.palette import adaptive

#: Formats that `dot` makes here.
PICTURES = ("svg", "png")
#: Seconds. A machine of a thousand arrows takes a few.
TIMEOUT = 60.0


class RenderError(Exception):
    """No picture could be made. `hint` says what to do next, in a line."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def render(text: str, picture: str, timeout: float = TIMEOUT) -> bytes:
    """The picture of DOT `text` in a format of `PICTURES`. An SVG is light or dark as its reader likes it.

    Raises RenderError when `dot` is not there, fails, or takes longer than `timeout` seconds.
    """
    program = shutil.which("dot")
    if program is None:
        raise RenderError(f"{picture} needs the program dot, which is not there", "apt-get install graphviz")
    try:
        done = subprocess.run([program, f"-T{picture}"], input=text.encode(), capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise RenderError(f"{program} took longer than {timeout:g}s", "--format dot writes its input") from None
    except OSError as error:
        raise RenderError(f"{program}: {error.strerror}", "apt-get install --reinstall graphviz") from None
    if done.returncode != 0 or not done.stdout:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        said = f": {last[0]}" if last else ""
        raise RenderError(f"{program} ended with {done.returncode}{said}", "--format dot writes its input")
    return adaptive(done.stdout) if picture == "svg" else done.stdout
