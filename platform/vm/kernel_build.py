"""A kernel of one's own: the least that boots in QEMU and runs sched_ext schedulers, built from Debian's kernel source.

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
from pathlib import Path

from scxlife.platform.vm import build_tools, cache, kernel_config, kernel_source, kernels, packages, pahole
from scxlife.platform.vm.build_tools import ToolMissing
from scxlife.platform.vm.kernel_make import BuildFailed, Make, making
from scxlife.platform.vm.kernel_source import Wish
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.progress import Progress

#: Compiled files of 6.12. Only the progress line uses it, so it need not be exact.
_OBJECTS = 1580
_CONFIGURE_S = 300.0
# Below LOCK_TIMEOUT_S, for whoever waits.
_MAKE_S = 3500.0


def build(
    progress: Progress, version: str, *, jobs: int | None = None, suite: str | None = None, force: bool = False
) -> Kernel:
    """The kernel of series ``version`` (``6.12``, or ``6.12.117``), of ``suite`` or the first suite that has it.

    One that is here already is taken, and an interrupted build is continued, both without asking the mirror; ``force``
    asks it for newer source and begins anew. An exception, Ctrl-C too, leaves no half kernel.
    Raises ArtifactError of one kind or another, BuildFailed for make.
    """
    wish = kernel_source.parse(version, suite)
    fragment = kernel_config.shipped()
    digest = kernel_config.digest(fragment)
    if not force and (present := kernels.intact(_built(wish, digest), progress)):
        return present
    if (architecture := packages.architecture()) != "amd64":
        raise ToolMissing(f"kernels can't be built on {architecture} yet", "build them on an amd64 machine")
    build_tools.check(os.environ.get("PATH", os.defpath))
    source = kernel_source.fetch(progress, wish, refresh=force)
    with_pahole = pahole.fetch(progress)
    about = cache.read_manifest(source) or {}
    kernel_version = str(about["kernel_version"])
    local_version = f"-{source.name.rpartition('-')[2]}-scxlife-{digest}"
    release = kernel_version + local_version
    entry = _root("kernels") / release
    with cache.locked(entry, progress.say) as waited:
        if (waited or not force) and (done := kernels.intact(_installed(release), progress)):
            return done
        objects = _root("kernel-objects") / release
        if force:
            shutil.rmtree(objects, ignore_errors=True)
        cache.prepare(objects)
        with making(source / "linux", objects, with_pahole, local_version, release) as make:
            _configure(progress, make, fragment)
            seconds = _compile(progress, make, jobs or os.cpu_count() or 1)
        with cache.publish(entry) as draft:
            _collect(objects, draft)
            draft.manifest.update(
                version=release,
                package=about["package"],
                package_version=source.name,
                suite=about["suite"],
                fetched_at=cache.now(),
                config=digest,
                compiler=_compiler(),
                # Of the run that finished it.
                seconds=round(seconds, 1),
            )
        shutil.rmtree(objects, ignore_errors=True)
    built = _installed(release)
    assert built is not None
    return built


def _configure(progress: Progress, make: Make, fragment: str) -> None:
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
    lost = kernel_config.lost(fragment, config.read_text(encoding="utf-8"))
    if any(name in kernel_config.NEEDED for name in lost):
        raise BuildFailed(
            f"this source can't be configured as a guest's kernel; it refused {', '.join(lost)}",
            f"sched_ext is in Linux since 6.12; what was said: {make.log}",
            make.log,
        )
    if lost:
        progress.say(f"in this source, these options did not take: {', '.join(lost)}")
    configured.touch()


def _compile(progress: Progress, make: Make, jobs: int) -> float:
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
        if ours and wish.suite in (None, kernel.suite) and wish.takes(kernel.version):
            return kernel
    return None


def _installed(release: str) -> Kernel | None:
    return next((kernel for kernel in kernels.installed() if kernel.version == release), None)


def _compiler() -> str:
    done = subprocess.run(["gcc", "--version"], capture_output=True, text=True, timeout=60)
    return done.stdout.partition("\n")[0]


def _root(kind: str) -> Path:
    return cache.cache_root() / kind
