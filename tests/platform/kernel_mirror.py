"""A mirror with a kernel source of a few lines, and a pahole that is a text."""

from __future__ import annotations

import io
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from scxlife.platform.vm import packages

if TYPE_CHECKING:
    from conftest import Repository

TOOLS = ("apt-get", "dpkg-deb", "make", "gcc", "flex", "bison", "bc", "xz", "zstd")
needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)) or packages.architecture() != "amd64",
    reason="needs Debian on amd64 and a compiler",
)

# What a kernel's Makefile is asked for. Each object is one line, as kbuild writes it; as there, an object without its
# .cmd file is not finished. While a file `hold` lies beside the cache, the second object never is.
MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 117
EXTRAVERSION =
B := $(O)/arch/x86/boot
allnoconfig:
\t@echo '# CONFIG_MODULES is not set' > $(O)/.config
olddefconfig:
\t@sed -i 's/^CONFIG_X86_X2APIC=y$$/# & too/' $(O)/.config
bzImage: $(B)/bzImage
$(O)/one.o: $(O)/.config
\t@echo '  CC      one.o'; touch $@
$(O)/two.o: $(O)/one.o $(if $(wildcard $(O)/.two.o.cmd),,FORCE)
\t@echo '  CC      two.o'; touch $@
\t@if test -e HOLD/hold; then echo $$$$ > HOLD/hold; exec sleep 600; fi
\t@touch $(O)/.two.o.cmd
FORCE:
$(B)/bzImage: $(O)/two.o
\t@mkdir -p $(B); echo '  LD      vmlinux'
\t@echo "bzImage $(LOCALVERSION) by `$(PAHOLE) --version` CFLAGS=$(CFLAGS)" > $@
"""
MERGE = """\
#!/bin/sh
test "$1 $2" = "-m -O" && cat "$4" "$5" > "$3/merged" && mv "$3/merged" "$3/.config"
"""
# Runs as the loader of the unpacked pahole would: told where the libraries are, then the program.
LOADER = b'#!/bin/sh\ntest "$1" = --library-path && test -d "$2" && echo "loaded $(cat "$3")"\n'
LIB = "usr/lib/x86_64-linux-gnu"


def tarball(makefile: str, top: str = "linux-source-6.12") -> bytes:
    files = {"Makefile": (makefile, 0o644), "scripts/kconfig/merge_config.sh": (MERGE, 0o755)}
    files |= {"arch/arm/Kconfig": ("", 0o644), "arch/arm/mm/fault.c": ("", 0o644), "arch/x86/mm/fault.c": ("", 0o644)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=0) as archive:
        for name, (text, mode) in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.mode, member.size = mode, len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def offer(repository: Repository, version: str = "6.12.117-1", makefile: str = MAKEFILE) -> None:
    """The source on the mirror."""
    makefile = makefile.replace("HOLD", str(repository.root.parent))
    makefile = makefile.replace("SUBLEVEL = 117", f"SUBLEVEL = {version.split('.')[2].split('-')[0]}")
    files = {"usr/src/linux-source-6.12.tar.xz": tarball(makefile)}
    repository.add("linux-source-6.12", version, files=files)
    repository.make_known()
    repository.publish("trixie")


def fill(repository: Repository) -> None:
    """Kernel source and pahole on the mirror."""
    repository.add("pahole", "1.30-1", files={"usr/bin/pahole": b"pahole"})
    loader = repository.build / "libc6_2.41-1" / LIB / "ld-linux-x86-64.so.2"
    loader.parent.mkdir(parents=True)
    loader.write_bytes(LOADER)
    loader.chmod(0o755)
    repository.add("libc6", "2.41-1")
    for name in ("libdw1t64", "libelf1t64", "libbpf1", "libzstd1", "zlib1g", "liblzma5", "libbz2-1.0"):
        repository.add(name, "1-1")
    offer(repository)
