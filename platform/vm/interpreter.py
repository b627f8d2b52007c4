"""The Python that a guest runs: the interpreter at hand, pruned to what a given module imports.

What is imported is measured, by importing it in a fresh isolated interpreter, never listed by hand. Modules are stored
as sourceless ``.pyc``: compiling them in the guest costs over a second under emulation.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import marshal
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

#: Isolated, without ``site``, without writing bytecode: what the guest starts and what is measured must agree.
FLAGS = "-ISB"
_TIMEOUT_S = 60.0
#: Unchecked hash-based pyc (PEP 552): no time stamp, so the same source gives the same bytes.
_PYC_HEADER = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)

# Prints what is loaded, with nothing imported for the sake of printing it.
_MEASURE = """\
import sys
cut = sys.argv.index("--")
sys.path.extend(sys.argv[1:cut])
for name in sys.argv[cut + 1:]:
    __import__(name)
specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
print([(s.name, s.origin, s.submodule_search_locations is not None) for s in specs if s is not None])
"""


class ImportMeasureError(Exception):
    """A module that the guest should start can't be imported here. The message has the traceback."""


@attrs.frozen
class Module:
    """A module with a file: its full name, the file, whether it is a package's ``__init__``."""

    name: str
    origin: Path
    package: bool

    @property
    def compiled(self) -> bool:
        """Whether it is an extension module, an ELF file."""
        return self.origin.name.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))

    def path(self, library: str) -> str:
        """Where it goes in the guest, below the directory ``library`` of the standard library."""
        parts = self.name.split(".")
        if self.compiled:
            folder = "/".join(parts[:-1]) or "lib-dynload"
            return f"{library}/{folder}/{self.origin.name}"
        return f"{library}/{'/'.join(parts)}{'/__init__' if self.package else ''}.pyc"

    def code(self, library: str) -> bytes:
        """The ``.pyc`` of a module with source. The file that tracebacks name is the one in the guest."""
        name = self.path(library).removesuffix("c")
        code = compile(self.origin.read_bytes(), name, "exec", dont_inherit=True, optimize=0)
        return _PYC_HEADER + marshal.dumps(code)


def executable() -> Path:
    """The interpreter itself, behind virtual environments and links."""
    return Path(sys.executable).resolve()


def library_name() -> str:
    """The standard library's path below the prefix."""
    import sysconfig

    return f"lib/python{sysconfig.get_python_version()}"


def landmark() -> Module:
    """The file by which the interpreter knows its standard library (Modules/getpath.py); it must be there."""
    import sysconfig

    return Module("os", Path(sysconfig.get_path("stdlib")) / "os.py", package=False)


def measure(names: Iterable[str]) -> tuple[Module, ...]:
    """The modules with a file that a fresh isolated interpreter holds once it has imported ``names``, sorted by name.

    Raises ImportMeasureError when one can't be imported, or takes longer than a minute.
    """
    names = tuple(names)
    argv = [sys.executable, FLAGS, "-c", _MEASURE, *_search_path(names), "--", *names]
    try:
        done = subprocess.run(argv, env={}, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ImportMeasureError(f"importing {', '.join(names)} took over {_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise ImportMeasureError(f"can't import {', '.join(names)}:\n{done.stderr.strip()}")
    # The last line: a module may print when it is imported.
    found = ast.literal_eval(done.stdout.splitlines()[-1])
    modules = {
        Module(name, Path(origin), package)
        for name, origin, package in found
        if origin not in (None, "built-in", "frozen") and name != "__main__"
    }
    return tuple(sorted(modules, key=lambda module: module.name))


def identity(names: Iterable[str]) -> tuple[str, ...]:
    """What decides which files ``measure`` finds, as far as no file tells it: this Python, and where it looks."""
    python = (sys.executable, sys.version, sys.prefix, sys.base_prefix)
    return (*python, *map(os.path.realpath, filter(None, (*sys.path, *_parents(names)))))


def looked_at(names: Iterable[str], modules: Iterable[Module]) -> Iterator[Path]:
    """The files and folders that decide what ``measure`` finds: it found ``modules`` for ``names``."""
    yield Path(sys.executable)
    tops = set()
    for module in modules:
        # A file that comes into its folder may be another module of that name, which goes before it.
        yield from (module.origin, module.origin.parent)
        tops.add(module.name.partition(".")[0])
    standard = sys.stdlib_module_names
    for directory in _search_path(names):
        for top in sorted(tops - standard):
            for suffix in ("", *importlib.machinery.all_suffixes()):
                yield Path(directory, f"{top}{suffix}")


def _search_path(names: Iterable[str]) -> Iterator[str]:
    """The directories in which this process finds modules, and those of packages that an import hook provides."""
    import sysconfig

    seen = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    for entry in (*sys.path, *_parents(names)):
        directory = os.path.realpath(entry)
        if entry and directory not in seen and os.path.isdir(directory):  # noqa: PTH112
            seen.add(directory)
            yield directory


def _parents(names: Iterable[str]) -> Iterator[str]:
    for top in sorted({name.partition(".")[0] for name in names}):
        spec = importlib.util.find_spec(top)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            yield os.path.dirname(location)  # noqa: PTH120
