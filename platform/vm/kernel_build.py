"""A kernel of one's own: the least that boots in QEMU and runs sched_ext schedulers, built from Debian's kernel source.

    kernel-sources/<version>/   linux/ (never written to); <version> is that of the package linux-source-N.M
    pahole/<version>/           what writes the kernel's BTF; Debian 12's own is too old
    kernel-objects/<release>/   a build that is under way or was interrupted; the next one goes on there
    kernels/<release>/          vmlinuz and config, where ``kernels`` finds them
    logs/                       what make said

``<release>`` is what ``uname -r`` says in the guest: ``6.12.117-1-scxlife-<8 digits>``, the kernel's version, Debian's
revision of it, and a digest of guest-kernel.config.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TextIO

import attrs

from scxlife.platform.vm import cache, children, kernels, packages
from scxlife.platform.vm.cache import ArtifactError
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.packages import Package, PackageNotFound, Suite, version_key
from scxlife.platform.vm.progress import Progress, Step

_SUITES = ("trixie", "sid")
# Its pahole runs by its own loader, so it does not matter which Debian this is.
_PAHOLE_SUITE = "trixie"
_PAHOLE = ("pahole", "libdw1t64", "libelf1t64", "libbpf1", "libc6", "libzstd1", "zlib1g", "liblzma5", "libbz2-1.0")
_PAHOLE_SCRIPT = """\
#!/bin/sh
root=${0%/*}
lib=$root/usr/lib/x86_64-linux-gnu
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/pahole" "$@"
"""
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
# Without these the kernel that comes out is of no use, whatever else it has.
_NEEDED = ("CONFIG_SCHED_CLASS_EXT", "CONFIG_DEBUG_INFO_BTF", "CONFIG_BPF_JIT")
#: Compiled files of 6.12. Only the progress line uses it, so it need not be exact.
_OBJECTS = 1580
_UNPACK_S = 900.0
_CONFIGURE_S = 300.0
# Below LOCK_TIMEOUT_S, for whoever waits.
_MAKE_S = 3500.0
_TAIL_LINES = 15
_TOOLS = {
    "make": "make",
    "gcc": "gcc",
    "ld": "binutils",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "tar": "tar",
    "xz": "xz-utils",
    "zstd": "zstd",
}
_HEADERS = {"stdlib.h": "libc6-dev", "gelf.h": "libelf-dev", "zlib.h": "zlib1g-dev"}


class ToolMissing(ArtifactError):
    """The build needs programs or headers that are not here."""


class BuildFailed(ArtifactError):
    """make failed. The message ends with its last lines, ``log`` holds all of them."""

    def __init__(self, message: str, hint: str, log: Path) -> None:
        super().__init__(message, hint)
        self.log = log


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


def build(
    progress: Progress, version: str, *, jobs: int | None = None, suite: str | None = None, force: bool = False
) -> Kernel:
    """The kernel of series ``version`` (``6.12``, or ``6.12.117``), of ``suite`` or the first suite that has it.

    One that is here already is taken, and an interrupted build is continued, both without asking the mirror; ``force``
    asks it for newer source and begins anew. An exception, Ctrl-C too, leaves no half kernel.
    Raises ArtifactError of one kind or another, BuildFailed for make.
    """
    wish = parse(version, suite)
    fragment = shipped_config()
    digest = config_digest(fragment)
    if not force and (present := _built(wish, digest)):
        return present
    if (architecture := packages.architecture()) != "amd64":
        raise ToolMissing(f"kernels can't be built on {architecture} yet", "build them on an amd64 machine")
    check_tools(os.environ.get("PATH", os.defpath))
    source = _source(progress, wish, refresh=force)
    pahole = _pahole(progress)
    about = cache.read_manifest(source) or {}
    kernel_version = str(about["kernel_version"])
    local_version = f"-{source.name.rpartition('-')[2]}-scxlife-{digest}"
    release = kernel_version + local_version
    entry = _root("kernels") / release
    with cache.locked(entry, progress.say) as waited:
        if (waited or not force) and (done := _installed(release)):
            return done
        objects = _root("kernel-objects") / release
        if force:
            shutil.rmtree(objects, ignore_errors=True)
        cache.prepare(objects)
        with _making(source / "linux", objects, pahole, local_version, release) as make:
            _configure(progress, make, fragment)
            seconds = _compile(progress, make, jobs or os.cpu_count() or 1)
        with cache.publish(entry) as draft:
            _collect(objects, draft)
            draft.manifest.update(
                version=release,
                package=about["package"],
                package_version=source.name,
                # Not the bare name: `kernel fetch` must not take this for the suite's own kernel.
                suite=f"{about['suite']} source",
                fetched_at=_now(),
                config=digest,
                compiler=_compiler(),
                # Of the run that finished it.
                seconds=round(seconds, 1),
            )
        shutil.rmtree(objects, ignore_errors=True)
    built = _installed(release)
    assert built is not None
    return built


def is_built(kernel: Kernel) -> bool:
    """Whether it was built here, from source."""
    return kernel.package.startswith("linux-source-")


def parse(version: str, suite: str | None = None) -> Wish:
    """Raises PackageNotFound for what is no kernel version."""
    found = re.fullmatch(r"(\d+\.\d+)(\.\d+)?", version)
    if found is None:
        raise PackageNotFound(f"{version!r} is no kernel version", "try 6.12")
    return Wish(found[1], version if found[2] else None, suite)


def shipped_config() -> str:
    """The text of guest-kernel.config."""
    return (resources.files("scxlife.platform.vm") / "guest-kernel.config").read_text(encoding="utf-8")


def options(text: str) -> dict[str, str]:
    """``CONFIG_…`` to its value; ``n`` for one that is off, as a .config (``# … is not set``) or a fragment says it."""
    found = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE))
    off = re.findall(r"^# (CONFIG_\w+) is not set$", text, re.MULTILINE)
    return found | dict.fromkeys(off, "n")


def config_digest(text: str) -> str:
    """Eight digits that change with the options, not with their order or the comments."""
    lines = "\n".join(f"{name}={value}" for name, value in sorted(options(text).items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:8]


def check_tools(path: str) -> None:
    """Raises ToolMissing, with the apt-get line for all that is missing on ``path``."""
    missing = {tool: package for tool, package in _TOOLS.items() if shutil.which(tool, path=path) is None}
    compiler = shutil.which("gcc", path=path)
    if compiler is not None:
        missing |= {header: package for header, package in _HEADERS.items() if not _has_header(compiler, header)}
    if missing:
        raise ToolMissing(
            f"the kernel's build needs what is not here: {', '.join(missing)}",
            f"run: apt-get install {' '.join(dict.fromkeys(missing.values()))}",
        )


def _has_header(compiler: str, header: str) -> bool:
    done = subprocess.run(
        [compiler, "-fsyntax-only", "-x", "c", "-"],
        input=f"#include <{header}>\n".encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
    return done.returncode == 0


def _source(progress: Progress, wish: Wish, *, refresh: bool) -> Path:
    """The entry with the newest source that ``wish`` takes, fetched if it is not here."""
    if not refresh and (present := _newest_source(wish)):
        return present
    for name in (wish.suite,) if wish.suite else _SUITES:
        with packages.open_suite(name, progress) as lists:
            # Another process may have fetched it while this one waited for the lists.
            if not refresh and (present := _newest_source(wish)):
                return present
            lists.update(progress)
            if not lists.names(re.escape(wish.package)):
                continue
            package = lists.package(wish.package)
            if not wish.takes(package.version):
                raise PackageNotFound(
                    f"{name} has {package.version}, not {wish.exact}", f"run: scxlife kernel build {wish.series}"
                )
            return _fetch_source(progress, lists, package)
    where = wish.suite or " or ".join(_SUITES)
    raise PackageNotFound(
        f"there is no {wish.package} in {where}", "see what there is: https://packages.debian.org/linux-source"
    )


def _fetch_source(progress: Progress, lists: Suite, package: Package) -> Path:
    entry = _root("kernel-sources") / package.version
    with cache.locked(entry, progress.say):
        # A package version never changes its content.
        if cache.read_manifest(entry) is not None:
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
                fetched_at=_now(),
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


def _pahole(progress: Progress) -> Path:
    """The pahole of the cache, fetched if it is not here. The kernel's BTF needs 1.26 or newer."""
    found = [entry for entry, _ in cache.entries(_root("pahole"))]
    if found:
        return max(found, key=lambda entry: version_key(entry.name)) / "pahole"
    with packages.open_suite(_PAHOLE_SUITE, progress) as lists:
        lists.update(progress)
        parts = [lists.package(name) for name in _PAHOLE]
        entry = _root("pahole") / parts[0].version
        with cache.locked(entry, progress.say) as waited:
            if waited and cache.read_manifest(entry) is not None:
                return entry / "pahole"
            with cache.publish(entry) as draft:
                for part in parts:
                    deb = lists.download(part, draft.path, progress)
                    _extract_all(deb, draft.path)
                    deb.unlink()
                script = draft.path / "pahole"
                script.write_text(_PAHOLE_SCRIPT)
                script.chmod(0o755)
                draft.manifest["packages"] = {part.name: part.version for part in parts}
    return entry / "pahole"


def _extract_all(deb: Path, into: Path) -> None:
    said: list[str] = []
    code = children.run(["dpkg-deb", "--extract", str(deb), str(into)], timeout=_UNPACK_S, out=said.append)
    if code != 0:
        raise ArtifactError("\n  ".join([f"dpkg-deb failed with status {code}", *said[-_TAIL_LINES:]]), "try again")


@attrs.frozen
class _Make:
    """make(1) in a kernel's tree, with all that it says in a log."""

    linux: Path
    objects: Path
    release: str
    pahole: Path
    local_version: str
    log: Path
    file: TextIO
    tail: list[str] = attrs.field(factory=list)

    def run(self, *words: str, timeout: float, step: Step, line: Callable[[str], None] | None = None) -> None:
        """``make words`` for this build. Raises BuildFailed."""
        variables = [f"O={self.objects}", f"PAHOLE={self.pahole}", f"LOCALVERSION={self.local_version}"]
        self.call(["make", f"--directory={self.linux}", *variables, *words], timeout=timeout, step=step, line=line)

    def call(self, argv: list[str], *, timeout: float, step: Step, line: Callable[[str], None] | None = None) -> None:
        def keep(text: str) -> None:
            self.file.write(f"{text}\n")
            self.tail.append(text)
            del self.tail[:-_TAIL_LINES]
            if line is not None:
                line(text)

        try:
            code = children.run(argv, timeout=timeout, out=keep, tick=step.tick, cwd=self.linux, env=_environment())
        except children.Overdue as error:
            raise BuildFailed(
                str(error), f"run it again: it goes on where it was; the log: {self.log}", self.log
            ) from error
        if code != 0:
            raise BuildFailed(
                "\n  ".join([f"{Path(argv[0]).name} failed with status {code}", *self.tail]),
                f"the whole log: {self.log}",
                self.log,
            )


@contextmanager
def _making(linux: Path, objects: Path, pahole: Path, local_version: str, release: str) -> Iterator[_Make]:
    log = cache.prepare(_root("logs")) / f"kernel-{release}.log"
    with log.open("w", encoding="utf-8") as file:
        yield _Make(linux, objects, release, pahole, local_version, log, file)


def _environment() -> Mapping[str, str]:
    # CFLAGS, ARCH, KCONFIG_CONFIG or MAKEFLAGS of whoever calls must not decide what is built.
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**env, "LC_ALL": "C.UTF-8", "KBUILD_BUILD_USER": "scxlife", "KBUILD_BUILD_HOST": "scxlife"}


def _configure(progress: Progress, make: _Make, fragment: str) -> None:
    """Writes .config, unless an interrupted build has. Raises BuildFailed for one that lost what it is all about."""
    config = make.objects / ".config"
    configured = make.objects / "configured"
    if configured.exists():
        progress.say(f"going on with the interrupted build of {make.release}")
        return
    wanted = make.objects / "fragment.config"
    wanted.write_text(fragment, encoding="utf-8")
    merge = [str(make.linux / "scripts" / "kconfig" / "merge_config.sh"), "-m", "-O", str(make.objects)]
    with progress.step(f"configuring {make.release}") as step:
        make.run("allnoconfig", timeout=_CONFIGURE_S, step=step)
        make.call([*merge, str(config), str(wanted)], timeout=_CONFIGURE_S, step=step)
        make.run("olddefconfig", timeout=_CONFIGURE_S, step=step)
    became = options(config.read_text(encoding="utf-8"))
    lost = [name for name, value in options(fragment).items() if became.get(name, "n") != value]
    if any(name in _NEEDED for name in lost):
        raise BuildFailed(
            f"this source can't be configured as a guest's kernel; it refused {', '.join(lost)}",
            f"sched_ext is in Linux since 6.12; what was said: {make.log}",
            make.log,
        )
    if lost:
        progress.say(f"in this source, these options did not take: {', '.join(lost)}")
    configured.touch()


def _compile(progress: Progress, make: _Make, jobs: int) -> float:
    """make bzImage. The seconds that it took."""
    # What an interrupted build has compiled, make does not mention again.
    compiled = sum(1 for _ in make.objects.rglob("*.o"))
    with progress.step(f"building {make.release}") as step:

        def line(text: str) -> None:
            nonlocal compiled
            said = re.match(r"  ([A-Z][A-Z0-9_]*) +(\S+)", text)
            if said is None:
                return
            compiled += said[1] in ("CC", "AS")
            step.count(compiled, max(_OBJECTS, compiled), Path(said[2]).name)

        make.run(f"--jobs={jobs}", "bzImage", timeout=_MAKE_S, step=step, line=line)
        return step.elapsed


def _collect(objects: Path, draft: cache.Draft) -> None:
    vmlinuz = draft.path / "vmlinuz"
    shutil.copyfile(objects / "arch" / "x86" / "boot" / "bzImage", vmlinuz)
    shutil.copyfile(objects / ".config", draft.path / "config")
    with vmlinuz.open("rb") as file:
        draft.manifest["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    draft.manifest["size"] = vmlinuz.stat().st_size


def _built(wish: Wish, digest: str) -> Kernel | None:
    """The newest kernel of the cache that was built for ``wish`` with this configuration."""
    for kernel in kernels.installed():
        ours = kernel.package == wish.package and kernel.version.endswith(f"-scxlife-{digest}")
        suited = wish.suite is None or kernel.suite == f"{wish.suite} source"
        if ours and suited and wish.takes(kernel.version):
            return kernel
    return None


def _installed(release: str) -> Kernel | None:
    return next((kernel for kernel in kernels.installed() if kernel.version == release), None)


def _newest_source(wish: Wish) -> Path | None:
    found = [
        entry
        for entry, manifest in cache.entries(_root("kernel-sources"))
        if manifest.get("package") == wish.package
        and wish.takes(entry.name)
        and wish.suite in (None, manifest.get("suite"))
    ]
    return max(found, key=lambda entry: version_key(entry.name), default=None)


def _compiler() -> str:
    done = subprocess.run(["gcc", "--version"], capture_output=True, text=True, timeout=60)
    return done.stdout.partition("\n")[0]


def _root(kind: str) -> Path:
    return cache.cache_root() / kind


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
