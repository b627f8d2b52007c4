"""Kernels with sched_ext, taken from Debian and kept as ``kernels/<version>/vmlinuz`` in the cache.

A stock Debian kernel needs no module to boot in a guest: console, virtio-pci and virtio-console are built in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from scxlife.platform.vm import cache, packages
from scxlife.platform.vm.cache import Damaged, NotInstalled
from scxlife.platform.vm.packages import Package, PackageNotFound, Suite, version_key
from scxlife.platform.vm.progress import Progress

_FETCH = "scxlife kernel fetch"
OVERLAY = "overlay.ko"


@attrs.frozen
class Kernel:
    """One kernel of the cache."""

    #: What ``uname -r`` says in the guest.
    version: str
    vmlinuz: Path
    #: The package that held it, and its version there.
    package: str
    package_version: str
    suite: str
    #: UTC, ISO 8601.
    fetched_at: str
    sha256: str
    #: Bytes.
    size: int

    @property
    def built(self) -> bool:
        """Whether it was built here, from source."""
        return self.package.startswith("linux-source-")


def fetch(progress: Progress, *, suite: str = "sid", force: bool = False) -> Kernel:
    """The newest kernel of ``suite``. One that is here already is taken without asking the mirror, unless ``force``.

    Raises ArtifactError of one kind or another.
    """
    if not force and (present := intact(_newest_of(suite), progress)):
        return present
    with packages.open_suite(suite, progress) as lists:
        # Another process may have fetched it while this one waited for the lists.
        if not force and (present := intact(_newest_of(suite), progress)):
            return present
        lists.update(progress)
        version, package = _resolve(lists)
        entry = _directory() / version
        with cache.locked(entry, progress.say), cache.publish(entry) as draft:
            deb = lists.download(package, draft.path, progress)
            store(draft, deb, version, package, suite)
            deb.unlink()
    kernel = _kernel(entry, cache.read_manifest(entry) or {})
    assert kernel is not None
    return kernel


def intact(kernel: Kernel | None, progress: Progress) -> Kernel | None:
    """``kernel`` if it is what its manifest says; else None, and ``progress`` is told. Raises CacheError."""
    try:
        return kernel and verified(kernel)
    except Damaged as damage:
        progress.say(f"{damage}; it is made again")
        return None


def verified(kernel: Kernel) -> Kernel:
    """``kernel``, whose image is what its manifest says. Raises Damaged with what makes it again, CacheError."""
    try:
        cache.verify(kernel.vmlinuz.parent, lambda manifest: cache.digests_of({"vmlinuz": manifest.get("sha256")}))
    except Damaged as damage:
        build = f"scxlife kernel build {kernel.version.partition('-')[0]}"
        raise Damaged(str(damage), f"run: {build if kernel.built else _FETCH}") from None
    return kernel


def store(draft: cache.Draft, deb: Path, version: str, package: Package, suite: str) -> None:
    """Puts the vmlinuz of ``deb`` and what is known of it into ``draft``. Raises PackageNotFound."""
    vmlinuz = draft.path / "vmlinuz"
    inside = f"usr/lib/modules/{version}/vmlinuz"
    if inside not in packages.files(deb):
        inside = f"boot/vmlinuz-{version}"
    packages.extract(deb, [(inside, vmlinuz)])
    with vmlinuz.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    draft.manifest.update(
        version=version,
        package=package.name,
        package_version=package.version,
        suite=suite,
        fetched_at=cache.now(),
        sha256=digest,
        size=vmlinuz.stat().st_size,
    )


def fetch_overlay(progress: Progress, kernel: Kernel) -> Path:
    """The module of ``kernel`` that mounts overlays, from the suite that ``kernel`` came from. Its package holds all
    modules, 110 MB of them. Raises ArtifactError of one kind or another; NotInstalled for a kernel that has none."""
    if kernel.built:
        raise NotInstalled(f"{kernel.version} was built here, with overlays in it", "nothing is to be fetched")
    import lzma

    entry = _overlays() / kernel.version
    if cache.sound(entry, progress.say):
        return entry / OVERLAY
    with packages.open_suite(kernel.suite, progress) as lists:
        lists.update(progress)
        modules = f"linux-modules-{kernel.version}"
        package = lists.package(modules if modules in lists.names(re.escape(modules)) else kernel.package)
        if package.version != kernel.package_version:
            what = f"{lists.name} has {package.name} {package.version}, and the kernel here is {kernel.package_version}"
            raise PackageNotFound(what, f"run: {_FETCH} --force --overlay")
        with cache.locked(entry, progress.say), cache.publish(entry) as draft:
            deb = lists.download(package, draft.path, progress)
            inside = next((path for path in packages.files(deb) if path.endswith(f"/{OVERLAY}.xz")), None)
            if inside is None:
                raise PackageNotFound(f"{deb.name} has no {OVERLAY}.xz", "--rootfs host runs without an overlay, too")
            packed = draft.path / "packed"
            packages.extract(deb, [(inside, packed)])
            (draft.path / OVERLAY).write_bytes(lzma.decompress(packed.read_bytes()))
            packed.unlink()
            deb.unlink()
            draft.manifest.update(package=package.name, package_version=package.version, fetched_at=cache.now())
    return entry / OVERLAY


def overlay_of(vmlinuz: Path) -> bytes:
    """The module that ``fetch_overlay`` has kept for a kernel of the cache; nothing where it has not, or where it is
    damaged. Raises CacheError, OSError."""
    entry = _overlays() / vmlinuz.parent.name
    if vmlinuz.parent.parent != _directory() or not cache.sound(entry, lambda _: None):
        return b""
    return (entry / OVERLAY).read_bytes()


def installed() -> list[Kernel]:
    """The kernels of the cache, newest first. One that is incomplete is not among them; their content is compared by
    ``verified``. Raises CacheError."""
    found = [kernel for entry, manifest in cache.entries(_directory()) if (kernel := _kernel(entry, manifest))]
    return sorted(found, key=lambda kernel: version_key(kernel.version), reverse=True)


def find(name: str | None = None) -> Kernel:
    """The newest kernel, or the newest whose version is ``name`` or begins with it (``7.2``).

    Raises NotInstalled, Damaged, CacheError.
    """
    kernels = installed()
    if not kernels:
        raise NotInstalled(f"no kernel is here yet{cache.unsound(_directory())}", f"run: {_FETCH}")
    if name is None:
        return verified(kernels[0])
    for kernel in kernels:
        rest = kernel.version.removeprefix(name)
        if kernel.version == name or (kernel.version.startswith(name) and not rest[0].isdigit()):
            return verified(kernel)
    known = [kernel.version for kernel in kernels]
    there = ", ".join(known)
    raise NotInstalled(
        f"there is no kernel {name}; there is {there}{cache.unsound(_directory(), *known)}", f"run: {_FETCH} --force"
    )


def _resolve(lists: Suite) -> tuple[str, Package]:
    """The version of the suite's kernel and the package that holds its vmlinuz.

    linux-image-<arch> is a meta-package. It depends on linux-image-<version>, which holds the vmlinuz or, since 7.x,
    depends on linux-binary-<version>, which does.
    """
    architecture = packages.architecture()
    meta = lists.package(f"linux-image-{architecture}")
    for name in meta.depends:
        version = name.removeprefix("linux-image-")
        if version == name:
            continue
        image = lists.package(name)
        binary = f"linux-binary-{version}"
        return version, lists.package(binary) if binary in image.depends else image
    raise PackageNotFound(
        f"{meta.name} {meta.version} of {lists.name} depends on no linux-image-<version>", "try another suite: --suite"
    )


def _directory() -> Path:
    return cache.cache_root() / "kernels"


def _overlays() -> Path:
    return cache.cache_root() / "overlays"


def _newest_of(suite: str) -> Kernel | None:
    return next((kernel for kernel in installed() if kernel.suite == suite and not kernel.built), None)


def _kernel(entry: Path, manifest: Mapping[str, object]) -> Kernel | None:
    """The kernel of ``entry``; None if its manifest makes no sense, or its image is not as long as that says."""
    words = ("package", "package_version", "suite", "fetched_at", "sha256")
    texts, size = cache.text_of(manifest, *words), manifest.get("size")
    if texts is None or cache.digests_of({"vmlinuz": texts[-1]}) is None or not isinstance(size, int):
        return None
    try:
        if (entry / "vmlinuz").lstat().st_size != size:
            return None
    except OSError:
        return None
    return Kernel(version=entry.name, vmlinuz=entry / "vmlinuz", size=size, **dict(zip(words, texts, strict=True)))
