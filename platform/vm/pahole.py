"""pahole(1), which writes a kernel's BTF: one that is new enough, whichever Debian this is.

pahole/<version>/   the unpacked packages, and ``pahole``, a script that starts it by its own loader
"""

from __future__ import annotations

from pathlib import Path

from scxlife.platform.vm import cache, children, packages
from scxlife.platform.vm.cache import ArtifactError
from scxlife.platform.vm.packages import version_key
from scxlife.platform.vm.progress import Progress

# Of Debian 12's own packages it would be too old.
_SUITE = "trixie"
_PACKAGES = ("pahole", "libdw1t64", "libelf1t64", "libbpf1", "libc6", "libzstd1", "zlib1g", "liblzma5", "libbz2-1.0")
_SCRIPT = """\
#!/bin/sh
root=${0%/*}
lib=$root/usr/lib/x86_64-linux-gnu
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/pahole" "$@"
"""
_UNPACK_S = 300.0
_TAIL_LINES = 15


def fetch(progress: Progress) -> Path:
    """The pahole of the cache, fetched if it is not here. The kernel's BTF needs 1.26 or newer."""
    found = [entry for entry, _ in cache.entries(_directory())]
    newest = max(found, key=lambda entry: version_key(entry.name), default=None)
    if newest is not None and cache.sound(newest, progress.say):
        return newest / "pahole"
    with packages.open_suite(_SUITE, progress) as lists:
        lists.update(progress)
        parts = [lists.package(name) for name in _PACKAGES]
        entry = _directory() / parts[0].version
        with cache.locked(entry, progress.say) as waited:
            if waited and cache.sound(entry, progress.say):
                return entry / "pahole"
            with cache.publish(entry) as draft:
                for part in parts:
                    deb = lists.download(part, draft.path, progress)
                    _extract_all(deb, draft.path)
                    deb.unlink()
                script = draft.path / "pahole"
                script.write_text(_SCRIPT)
                script.chmod(0o755)
                draft.manifest["packages"] = {part.name: part.version for part in parts}
    return entry / "pahole"


def _extract_all(deb: Path, into: Path) -> None:
    said: list[str] = []
    code = children.run(["dpkg-deb", "--extract", str(deb), str(into)], timeout=_UNPACK_S, out=said.append)
    if code != 0:
        raise ArtifactError("\n  ".join([f"dpkg-deb failed with status {code}", *said[-_TAIL_LINES:]]), "try again")


def _directory() -> Path:
    return cache.cache_root() / "pahole"
