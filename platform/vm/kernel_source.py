"""Debian's kernel sources, unpacked and never written to.

kernel-sources/<version>/linux/   <version> is that of the package linux-source-N.M
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import attrs

from scxlife.platform.vm import cache, children, packages
from scxlife.platform.vm.cache import ArtifactError
from scxlife.platform.vm.packages import Package, PackageNotFound, Suite, version_key
from scxlife.platform.vm.progress import Progress

_SUITES = ("trixie", "sid")
# Half of the tree's bytes: nothing here is built from them. Every Kconfig stays, for kconfig reads all of them.
_UNUSED = (
    "arch/[!x]*/*.[chS]",
    "arch/[!x]*/*.dts*",
    "Documentation/[!K]*",
    "drivers/gpu/drm/amd/*.[ch]",
    "drivers/net/ethernet/*.[ch]",
    "drivers/net/wireless/*.[ch]",
    "sound/*.c",
    "tools/perf",
    "tools/testing",
)
_UNPACK_S = 900.0
_TAIL_LINES = 15


@attrs.frozen
class Wish:
    """Which kernel is asked for: ``6.12``, or ``6.12.117`` and no other."""

    series: str
    exact: str | None
    #: None for the first of ``_SUITES`` that has it.
    suite: str | None

    @property
    def package(self) -> str:
        return f"linux-source-{self.series}"

    def takes(self, version: str) -> bool:
        """Whether a package or kernel of this version is the one."""
        return self.exact is None or re.match(re.escape(self.exact) + r"(?![\d.])", version) is not None


def parse(version: str, suite: str | None = None) -> Wish:
    """Raises PackageNotFound for what is no kernel version."""
    found = re.fullmatch(r"(\d+\.\d+)(\.\d+)?", version)
    if found is None:
        raise PackageNotFound(f"{version!r} is no kernel version", "try 6.12")
    return Wish(found[1], version if found[2] else None, suite)


def fetch(progress: Progress, wish: Wish, *, refresh: bool) -> Path:
    """The entry with the newest source that ``wish`` takes, fetched if it is not here."""
    if not refresh and (present := _newest(wish)) and cache.sound(present, progress.say):
        return present
    for name in (wish.suite,) if wish.suite else _SUITES:
        with packages.open_suite(name, progress) as lists:
            # Another process may have fetched it while this one waited for the lists.
            if not refresh and (present := _newest(wish)) and cache.sound(present, progress.say):
                return present
            lists.update(progress)
            if not lists.names(re.escape(wish.package)):
                continue
            package = lists.package(wish.package)
            if not wish.takes(package.version):
                raise PackageNotFound(
                    f"{name} has {package.version}, not {wish.exact}", f"run: scxlife kernel build {wish.series}"
                )
            return _fetch(progress, lists, package)
    where = wish.suite or " or ".join(_SUITES)
    raise PackageNotFound(
        f"there is no {wish.package} in {where}", "see what there is: https://packages.debian.org/linux-source"
    )


def _fetch(progress: Progress, lists: Suite, package: Package) -> Path:
    entry = _directory() / package.version
    with cache.locked(entry, progress.say):
        # A package version never changes its content.
        if cache.sound(entry, progress.say):
            return entry
        with cache.publish(entry) as draft:
            deb = lists.download(package, draft.path, progress)
            tarball = draft.path / "linux.tar.xz"
            with progress.step(f"taking the sources out of {deb.name}"):
                packages.extract(deb, [(f"usr/src/{package.name}.tar.xz", tarball)])
            deb.unlink()
            _unpack(progress, tarball, package.name, draft.path / "linux")
            tarball.unlink()
            draft.manifest.update(
                version=package.version,
                kernel_version=_kernel_version(draft.path / "linux" / "Makefile"),
                package=package.name,
                sha256=package.sha256,
                suite=lists.name,
                fetched_at=cache.now(),
            )
    return entry


def _unpack(progress: Progress, tarball: Path, top: str, into: Path) -> None:
    into.mkdir()
    size = tarball.stat().st_size
    said: list[str] = []
    excluded = [f"--exclude={top}/{pattern}" for pattern in _UNUSED]
    with tarball.open("rb") as file, progress.step(f"unpacking {top}") as step:
        descriptor = file.fileno()

        def tick() -> None:
            # tar reads through the same open file, so its position is ours.
            step.fraction(os.lseek(descriptor, 0, os.SEEK_CUR) / size)

        options = [
            "--xz",
            "--no-same-owner",
            "--strip-components=1",
            f"--directory={into}",
            "--anchored",
            "--wildcards",
        ]
        code = children.run(
            ["tar", "--extract", "--file=-", *options, *excluded],
            timeout=_UNPACK_S,
            out=said.append,
            tick=tick,
            stdin=descriptor,
        )
    if code != 0:
        raise ArtifactError(
            "\n  ".join([f"tar failed with status {code}", *said[-_TAIL_LINES:]]),
            "see that there is room on the disk: the sources take 1 GB",
        )


def _kernel_version(makefile: Path) -> str:
    """What ``make kernelversion`` would say."""
    fields = dict(re.findall(r"^([A-Z]+) =[ \t]*(.*)$", makefile.read_text(encoding="utf-8"), re.MULTILINE))
    return f"{fields['VERSION']}.{fields['PATCHLEVEL']}.{fields['SUBLEVEL']}{fields.get('EXTRAVERSION', '')}"


def _newest(wish: Wish) -> Path | None:
    found = [
        entry
        for entry, manifest in cache.entries(_directory())
        if cache.text_of(manifest, "package", "suite", "kernel_version") is not None
        and manifest.get("package") == wish.package
        and wish.takes(entry.name)
        and wish.suite in (None, manifest.get("suite"))
    ]
    return max(found, key=lambda entry: version_key(entry.name), default=None)


def _directory() -> Path:
    return cache.cache_root() / "kernel-sources"
