"""`scxlife unit`: the systemd unit by which a scheduler is a service."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from scxlife.diagrams.files import write_whole
from scxlife.lifecycle.usage import UsageError

SUMMARY = "the systemd unit by which a scheduler is a service"
DESCRIPTION = """Prints scxlife@.service, a template: scxlife@NAME supervises the scheduler NAME. Its ExecStart names
the program that prints it. docs/systemd.md and scxlife@.service(8) say what is in it and why."""
EPILOG = """examples:
  scxlife unit -o /etc/systemd/system/scxlife@.service && systemctl daemon-reload
  systemctl enable --now scxlife@scx_simple
  systemctl status scxlife@scx_simple

exit codes: 0 printed or written, 2 it could not be"""

UNIT = Path(__file__).parent.parent / "systemd" / "scxlife@.service"
#: The program in the file that is shipped, where a package of a distribution would have it.
INSTALLED = "/usr/bin/scxlife"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here instead of to standard output")


def run(parsed: argparse.Namespace) -> int:
    text = unit_for(program())
    if parsed.output is None:
        sys.stdout.write(text)
        return 0
    try:
        write_whole(parsed.output, text.encode())
        parsed.output.chmod(0o644)
    except OSError as error:
        raise UsageError(f"-o {parsed.output}: {error.strerror}") from None
    return 0


def program() -> tuple[str, ...]:
    """How this program is called, by absolute paths."""
    called = Path(sys.argv[0])
    if called.name == "scxlife" and os.access(called, os.X_OK):
        return (os.path.abspath(called),)  # noqa: PTH100
    found = shutil.which("scxlife")
    return (sys.executable, "-m", "scxlife.lifecycle") if found is None else (os.path.abspath(found),)  # noqa: PTH100


def unit_for(words: tuple[str, ...]) -> str:
    """The unit, with `words` as the program that it starts."""
    return UNIT.read_text().replace(f"ExecStart={INSTALLED} ", f"ExecStart={' '.join(map(_quoted, words))} ")


def _quoted(word: str) -> str:
    """A word of a command line in a unit, systemd.service(5): no specifier, no variable, one word."""
    word = word.replace("%", "%%").replace("$", "$$")
    return word if word.isascii() and not set(word) & set(" \t\\\"';") else '"' + word.translate(_ESCAPES) + '"'


_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})
