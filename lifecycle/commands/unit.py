"""`scxlife unit`: the systemd unit by which a scheduler is a service."""

from __future__ import annotations

import argparse
import os
import re
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

# systemd ignores an ExecStart= whose path has one of these, however it is quoted: string_is_safe(), and not UTF-8.
_REFUSED = re.compile(r"""[\x00-\x1f\x7f"'\\\ud800-\udfff]""")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here instead of to standard output")


def run(parsed: argparse.Namespace) -> int:
    text = unit_for(program())
    if parsed.output is None:
        sys.stdout.write(text)
        return 0
    try:
        write_whole(parsed.output, text.encode(), mode=0o644)
    except OSError as error:
        raise UsageError(f"-o {parsed.output}: {error.strerror}", "give a file in a folder that exists") from None
    return 0


def program() -> tuple[str, ...]:
    """How this program is called, by absolute paths."""
    called = Path(sys.argv[0])
    if called.name == "scxlife" and os.access(called, os.X_OK):
        return (os.path.abspath(called),)  # noqa: PTH100
    found = shutil.which("scxlife")
    return (sys.executable, "-m", "scxlife.lifecycle") if found is None else (os.path.abspath(found),)  # noqa: PTH100


def unit_for(words: tuple[str, ...]) -> str:
    """The unit, with `words` as the program that it starts. Raises UsageError for a path that no unit can have."""
    path, *arguments = words
    started = " ".join((_executable(path), *map(_argument, arguments)))
    return UNIT.read_text().replace(f"ExecStart={INSTALLED} ", f"ExecStart={started} ")


def _executable(path: str) -> str:
    """The path of an ExecStart=. No variable is expanded in it, but in argv[0]: with a `$`, that is written too."""
    refused = ", ".join(map(ascii, sorted(set(_REFUSED.findall(path)))))
    if refused:
        raise UsageError(
            f"systemd starts no program whose path contains {refused}: {path!r}", "install scxlife at another path"
        )
    named = path.replace("%", "%%")
    return f"{_quoted('@' + named)} {_argument(path)}" if "$" in path else _quoted(named)


def _argument(word: str) -> str:
    """A word of a command line in a unit, systemd.service(5): no specifier, no variable, one word."""
    return _quoted(word.replace("%", "%%").replace("$", "$$"))


def _quoted(word: str) -> str:
    return f'"{word}"' if set(word) & set(" ;") else word
