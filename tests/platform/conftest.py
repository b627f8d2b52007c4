"""A Debian mirror in a directory, for tests that take packages through real apt without a network."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import attrs
import pytest
from tests.platform.kernel_mirror import fill

from scxlife.platform.vm import packages


@attrs.frozen
class Repository:
    """A Debian mirror in a directory, as this machine's apt is made to see it."""

    root: Path
    build: Path

    def add(self, name: str, version: str, *, depends: str = "", files: dict[str, bytes] | None = None) -> Path:
        """Builds a package into the pool; ``publish`` makes it known."""
        tree = self.build / f"{name}_{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        fields = {
            "Package": name,
            "Version": version,
            "Architecture": packages.architecture(),
            "Maintainer": "Test <test@example.org>",
            "Depends": depends,
            "Description": "made by a test",
        }
        control = "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
        (tree / "DEBIAN" / "control").write_text(control)
        for path, content in (files or {}).items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(content)
        deb = self.root / "pool" / f"{name}_{version}_{packages.architecture()}.deb"
        deb.parent.mkdir(parents=True, exist_ok=True)
        # gzip, level 1: these packages are built for each test.
        argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(deb)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=60)
        return deb

    def publish(self, suite: str = "sid") -> None:
        dist = self.root / "dists" / suite
        index = dist / "main" / f"binary-{packages.architecture()}" / "Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        stanzas = [self._stanza(deb) for deb in sorted((self.root / "pool").glob("*.deb"))]
        index.write_text("\n".join(stanzas))
        digest = hashlib.sha256(index.read_bytes()).hexdigest()
        (dist / "Release").write_text(
            f"Origin: Debian\nLabel: Debian\nSuite: unstable\nCodename: {suite}\nComponents: main\n"
            f"Architectures: {packages.architecture()}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"SHA256:\n {digest} {index.stat().st_size} {index.relative_to(dist)}\n"
        )

    def make_known(self) -> None:
        """``publish``, then the machine's own apt-get update, which only root can leave to the code under test."""
        self.publish()
        subprocess.run(["apt-get", "-q", "update"], check=True, capture_output=True, timeout=60)

    def _stanza(self, deb: Path) -> str:
        argv = ["dpkg-deb", "--field", str(deb)]
        control = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        return f"{control}Filename: {deb.relative_to(self.root)}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty mirror. For this test, it is the only one that the machine's own apt knows."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Repository(tmp_path / "mirror", tmp_path / "build")
    host = tmp_path / "host"
    (host / "lists" / "partial").mkdir(parents=True)
    (host / "archives" / "partial").mkdir(parents=True)
    (host / "sources.list").write_text(f"deb [trusted=yes] file:{made.root} sid main\n")
    settings = {
        "Dir::Etc::sourcelist": host / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::Lists": host / "lists",
        "Dir::Cache": host,
        "APT::Sandbox::User": "",
        # What the test made, nobody signed.
        "Acquire::AllowInsecureRepositories": "true",
        "APT::Get::AllowUnauthenticated": "true",
    }
    (host / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    monkeypatch.setenv("APT_CONFIG", str(host / "apt.conf"))
    return made


@pytest.fixture
def mirror(repository: Repository) -> Repository:
    """A mirror from which a kernel can be built."""
    fill(repository)
    return repository
