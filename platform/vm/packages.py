"""Debian packages of another suite, without touching the machine's own package state.

apt-get(8) runs with lists, cache, status and sources of its own, under ``apt/<suite>`` of the cache. The mirror is the
one that the machine's own configuration names, asked at run time. Packages are verified by apt, with Debian's archive
keys. No privilege is needed, unless the machine's own lists were never fetched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from scxlife.platform.vm import children
from scxlife.platform.vm.cache import ArtifactError, cache_root, create, locked, prepare
from scxlife.platform.vm.progress import Progress, Step

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_QUERY_S = 60.0
_UPDATE_S = 300.0
_DOWNLOAD_S = 1800.0
_TAIL_LINES = 8


class PackageError(ArtifactError):
    """A package can't be had."""


class NoApt(PackageError):
    """This machine has no apt."""


class NoMirror(PackageError):
    """The machine's apt configuration names no mirror of Debian."""


class MirrorFailed(PackageError):
    """apt could not fetch. The message ends with apt's own last words."""


class PackageNotFound(PackageError):
    """The suite has no such package, or the package no such file."""


@attrs.frozen
class Package:
    name: str
    version: str
    #: Bytes of the .deb.
    size: int
    sha256: str
    #: The names that ``Depends`` lists, first alternatives only, without versions.
    depends: tuple[str, ...]


@attrs.frozen
class DownloadStatus:
    """What a ``dlstatus:`` line of APT::Status-Fd says (README.progress-reporting in apt's documentation)."""

    item: int
    #: From 0 to 1, of all items together.
    fraction: float


@attrs.frozen
class Suite:
    """The package lists of one suite. Valid inside ``open_suite``."""

    name: str
    home: Path

    def names(self, pattern: str) -> list[str]:
        """The package names that match all of ``pattern``, a regular expression, oldest version number first."""
        found = self._query("pkgnames").split()
        return sorted((name for name in found if re.fullmatch(pattern, name)), key=version_key)

    def package(self, name: str) -> Package:
        """The newest version of ``name``. Raises PackageNotFound."""
        stanza = self._query("show", "--no-all-versions", "--", name)
        if not stanza.strip():
            raise PackageNotFound(f"{self.name} has no package {name}", "try another suite: --suite")
        return parse_package(stanza)

    def newest(self, pattern: str) -> Package:
        """Of the packages that match ``pattern``, the one with the highest version number in its *name*.

        linux-source-7.10 is newer than linux-source-7.9. Raises PackageNotFound.
        """
        names = self.names(pattern)
        if not names:
            raise PackageNotFound(f"{self.name} has no package that matches {pattern}", "try another suite: --suite")
        return self.package(names[-1])

    def download(self, package: Package, into: Path, progress: Progress) -> Path:
        """Fetches the .deb into the directory ``into``. Raises MirrorFailed."""
        with progress.step(f"fetching {package.name} {package.version}") as step:
            argv = ["download", f"{package.name}={package.version}"]
            _fetch(self._argv("apt-get", *argv), step, _DOWNLOAD_S, cwd=into, size=package.size)
        return next(into.glob(f"{package.name}_*.deb"))

    def update(self, progress: Progress) -> None:
        """Fetches the lists. Raises MirrorFailed."""
        with progress.step(f"fetching the package lists of {self.name}") as step:
            _fetch(self._argv("apt-get", "-o", "APT::Update::Error-Mode=any", "update"), step, _UPDATE_S)

    def _query(self, *arguments: str) -> str:
        # apt-cache exits 100 for a package that it does not know; what it printed is the answer either way.
        return _answer(self._argv("apt-cache", *arguments), _QUERY_S)

    def _argv(self, program: str, *arguments: str) -> list[str]:
        home = self.home
        options = {
            "Dir::Etc::sourcelist": home / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "-",
            "Dir::State": home,
            "Dir::State::Lists": home / "lists",
            "Dir::State::status": home / "status",
            "Dir::Cache": home / "cache",
            # Containers often switch these off; without them each question costs the parsing of all lists.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            # Its user could not enter a cache below /root. What is fetched is verified before it is used.
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "30",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return [program, "-q", "-c", str(home / "apt.conf"), *words, *arguments]


@contextmanager
def open_suite(name: str, progress: Progress) -> Iterator[Suite]:
    """The suite's private apt state, locked; its sources are written, its lists are not fetched yet (``update``).

    Raises NoApt, NoMirror, CacheError, PackageError for a name that can't be a suite.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise PackageError(f"{name!r} is no name of a Debian suite", "try sid")
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            raise NoApt(f"there is no {program} here", "packages can be fetched on Debian and its derivatives only")
    home = cache_root() / "apt" / name
    with locked(home, progress.say):
        for part in ("lists/partial", "cache/archives/partial"):
            prepare(home / part)
        signed = f"signed-by={_KEYRING} " if _KEYRING.exists() else ""
        # Only the lists of packages: a host may be configured to fetch AppStream data and more with each.
        source = f"deb [{signed}target=Packages] {host_mirror(progress)} {name} main\n"
        # The host's hooks are for the host's lists.
        hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
        conf = "".join(f"#clear {hook};\n" for hook in hooks)
        for file, text in (("sources.list", source), ("status", ""), ("apt.conf", conf)):
            with create(home / file) as sink:
                sink.write(text)
        yield Suite(name, home)


def host_mirror(progress: Progress) -> str:
    """The URI of the mirror that the machine's own apt uses for Debian. Raises NoMirror.

    apt answers from its lists: as root, they are fetched once if they are missing.
    """
    uri = _configured_mirror()
    if uri is None and os.geteuid() == 0:
        with progress.step("fetching this machine's own package lists") as step:
            _fetch(["apt-get", "-q", "update"], step, _UPDATE_S)
        uri = _configured_mirror()
    if uri is None:
        raise NoMirror(
            "this machine's apt configuration names no mirror of Debian, or its lists were never fetched",
            "add a Debian mirror to /etc/apt/sources.list.d and run: apt-get update (as root)",
        )
    return uri


def _configured_mirror() -> str | None:
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    codename = _codename()
    # On a host that mixes suites or runs testing or sid, no list is filed under the codename of os-release(5).
    for filters in ([f"Codename: {codename}"] if codename else [], ["Label: Debian"]):
        for uri in _answer([*targets, *filters], _QUERY_S).split():
            if not uri.startswith("cdrom:"):
                return uri
    return None


def _codename() -> str | None:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r'^VERSION_CODENAME="?([a-z]+)"?$', text, re.MULTILINE)
    return found[1] if found else None


def architecture() -> str:
    """Debian's name of this machine's architecture, such as ``amd64``."""
    return _answer(["dpkg", "--print-architecture"], _QUERY_S).strip()


def parse_status(line: str) -> DownloadStatus | None:
    """``dlstatus:<item>:<percent>:<text>``; None for any other line."""
    found = re.match(r"dlstatus:(\d+):(\d+(?:\.\d+)?):", line)
    return DownloadStatus(int(found[1]), float(found[2]) / 100) if found else None


def parse_package(stanza: str) -> Package:
    """The first stanza of ``apt-cache show`` (deb-control(5)). Raises PackageNotFound when a field is missing."""
    fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza.strip().split("\n\n", 1)[0], re.MULTILINE))
    depends = re.split(r"\s*,\s*", fields.get("Depends", ""))
    try:
        return Package(
            name=fields["Package"],
            version=fields["Version"],
            size=int(fields["Size"]),
            sha256=fields["SHA256"],
            depends=tuple(word.split()[0] for word in depends if word),
        )
    except KeyError as missing:
        raise PackageNotFound(
            f"{fields.get('Package', 'this package')} has no {missing} in the lists", "try again with --force"
        ) from None


def extract(deb: Path, members: Sequence[tuple[str, Path]]) -> None:
    """Writes single files of a package: ``(path in the package, target)``. Reads no further than the last of them.

    Raises PackageNotFound when one is missing.
    """
    import tarfile

    wanted = {f"./{path}": target for path, target in members}
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", "dpkg-deb", "--fsys-tarfile", str(deb)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as unpacker:
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.name in wanted and member.isreg() else None
                    if content is None:
                        continue
                    with wanted.pop(member.name).open("wb") as file:
                        shutil.copyfileobj(content, file, 1 << 20)
                    if not wanted:
                        return
        except tarfile.TarError as error:
            raise PackageNotFound(f"{deb.name} is damaged: {error}", "try again") from error
        finally:
            unpacker.kill()
    raise PackageNotFound(
        f"{deb.name} has no {', '.join(path[2:] for path in wanted)}",
        "the package changed its layout; this program must learn the new one",
    )


def files(deb: Path) -> list[str]:
    """The paths of the regular files in a package, without a leading slash."""
    listing = _answer(["dpkg-deb", "--contents", str(deb)], _QUERY_S)
    return [line.split(" ./", 1)[1] for line in listing.splitlines() if line.startswith("-")]


def version_key(version: str) -> tuple[object, ...]:
    """Sorts Debian versions as dpkg does (deb-version(7)), and names that hold version numbers by these numbers."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch) if epoch.isdigit() else 0, _part_key(upstream), _part_key(revision)


def _part_key(part: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    # A tilde sorts before the end, the end before letters, letters before anything else; digits sort as numbers.
    def weight(character: str) -> int:
        if character == "~":
            return -1
        return ord(character) + (0 if character.isalpha() else 256)

    nothing = ((0,), 0)
    key = [((*map(weight, text), 0), int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", part)]
    while key and key[-1] == nothing:
        key.pop()
    # Twice: the first pair of "0~" equals nothing, and what follows it must still meet an end to be compared with.
    return (*key, nothing, nothing)


def _fetch(argv: list[str], step: Step, timeout: float, *, cwd: Path | None = None, size: int | None = None) -> None:
    last_words: list[str] = []
    megabytes = None if size is None else size / 1e6

    def status(line: str) -> None:
        if told := parse_status(line):
            step.fraction(told.fraction, megabytes=megabytes)

    argv = [argv[0], "-o", f"APT::Status-Fd={children.STATUS_FD}", *argv[1:]]
    try:
        code = children.run(
            argv,
            timeout=timeout,
            out=lambda line: None,
            err=last_words.append,
            status=status,
            tick=step.tick,
            cwd=cwd,
            env=_environment(),
        )
    except children.Overdue as error:
        raise MirrorFailed(str(error), "check the network and try again") from error
    if code != 0:
        words = [line for line in last_words if line.strip()][-_TAIL_LINES:]
        raise MirrorFailed(
            "\n  ".join([f"{argv[0]} failed with status {code}", *words]),
            "check the network, the name of the suite, and that the machine's own apt-get update works",
        )


def _answer(argv: list[str], timeout: float) -> str:
    lines: list[str] = []
    children.run(argv, timeout=timeout, out=lines.append, err=lambda line: None, env=_environment())
    return "\n".join(lines)


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8"}
