"""Kernels come whole, newest first, and stay where they are found without asking anybody."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import lzma
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scxlife.lifecycle.commands import kernel as command
from scxlife.platform.vm import cache, kernels, packages
from scxlife.platform.vm.progress import PlainLines

if TYPE_CHECKING:
    from conftest import Repository

needs_apt = pytest.mark.skipif(not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="needs apt and dpkg")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scxlife" / "kernels"


def silent() -> PlainLines:
    return PlainLines(io.StringIO())


def put(root: Path, version: str, suite: str = "sid", package: str = "linux-image") -> Path:
    with cache.locked(root / version, print), cache.publish(root / version) as draft:
        (draft.path / "vmlinuz").write_bytes(b"kernel")
        draft.manifest.update(
            version=version,
            package=f"{package}-{version}",
            package_version="1",
            suite=suite,
            fetched_at="2026-01-01T00:00:00Z",
            sha256=hashlib.sha256(b"kernel").hexdigest(),
            size=6,
        )
    return root / version / "vmlinuz"


def offer(
    repository: Repository,
    version: str,
    revision: str,
    *,
    binary_package: bool,
    modules: dict[str, bytes] | None = None,
) -> bytes:
    """A kernel on the mirror: packed as since 7.x, or as before."""
    content = f"vmlinuz of {version}".encode()
    meta = f"linux-base-amd64 (= {revision}), linux-image-{version} (= {revision})"
    repository.add(f"linux-image-{packages.architecture()}", revision, depends=meta)
    if binary_package:
        repository.add(f"linux-image-{version}", revision, depends=f"kmod, linux-binary-{version} (= {revision})")
        files = {f"usr/lib/modules/{version}/vmlinuz": content}
        repository.add(f"linux-binary-{version}", revision, files=files)
        if modules is not None:
            repository.add(f"linux-modules-{version}", revision, files=modules)
    else:
        files = {f"boot/vmlinuz-{version}": content, f"boot/config-{version}": b"CONFIG_X=y", **(modules or {})}
        repository.add(f"linux-image-{version}", revision, depends="kmod", files=files)
    repository.make_known()
    return content


@needs_apt
@pytest.mark.parametrize("binary_package", [True, False])
def test_the_vmlinuz_is_found_in_either_layout(repository: Repository, binary_package: bool) -> None:
    content = offer(repository, "7.2.13+deb14-amd64", "7.2.13-1", binary_package=binary_package)
    kernel = kernels.fetch(silent())
    assert kernel.vmlinuz.read_bytes() == content
    assert kernel.sha256 == hashlib.sha256(content).hexdigest()
    assert (kernel.version, kernel.package_version, kernel.suite) == ("7.2.13+deb14-amd64", "7.2.13-1", "sid")
    assert kernel.package == ("linux-binary-" if binary_package else "linux-image-") + kernel.version
    assert sorted(path.name for path in kernel.vmlinuz.parent.iterdir()) == ["manifest.json", "vmlinuz"]
    assert kernels.installed() == [kernel]


@needs_apt
def test_a_kernel_that_is_here_is_taken_without_the_mirror_and_force_asks_it(repository: Repository) -> None:
    offer(repository, "7.9.1+deb14-amd64", "7.9.1-1", binary_package=True)
    old = kernels.fetch(silent())
    offer(repository, "7.10.1+deb14-amd64", "7.10.1-1", binary_package=True)
    assert kernels.fetch(silent()) == old
    new = kernels.fetch(silent(), force=True)
    assert new.version == "7.10.1+deb14-amd64"
    assert kernels.installed() == [new, old]
    shutil.rmtree(repository.root)
    assert kernels.fetch(silent()) == new


@needs_apt
@pytest.mark.parametrize("binary_package", [True, False])
def test_the_overlay_module_comes_from_the_package_of_the_same_kernel(
    repository: Repository, binary_package: bool
) -> None:
    version = "7.2.13+deb14-amd64"
    packed = {f"usr/lib/modules/{version}/kernel/fs/overlayfs/overlay.ko.xz": lzma.compress(b"a module")}
    offer(repository, version, "7.2.13-1", binary_package=binary_package, modules=packed)
    kernel = kernels.fetch(silent())
    assert kernels.overlay_of(kernel.vmlinuz) == b""
    module = kernels.fetch_overlay(silent(), kernel)
    assert sorted(path.name for path in module.parent.iterdir()) == ["manifest.json", "overlay.ko"]
    shutil.rmtree(repository.root)
    assert kernels.fetch_overlay(silent(), kernel) == module
    assert kernels.overlay_of(kernel.vmlinuz) == b"a module"
    module.write_bytes(b"a modulf")
    assert kernels.overlay_of(kernel.vmlinuz) == b""


@needs_apt
def test_the_overlay_module_of_another_revision_is_not_taken(repository: Repository) -> None:
    version = "7.2.13+deb14-amd64"
    offer(repository, version, "7.2.13-1", binary_package=True)
    kernel = kernels.fetch(silent())
    repository.add(f"linux-modules-{version}", "7.2.13-2")
    repository.make_known()
    with pytest.raises(packages.PackageNotFound, match=re.escape("7.2.13-2, and the kernel here is 7.2.13-1")):
        kernels.fetch_overlay(silent(), kernel)


@needs_apt
def test_a_kernel_that_was_built_from_a_suites_source_is_not_the_one_that_it_ships(
    repository: Repository, root: Path
) -> None:
    offer(repository, "7.2.13+deb14-amd64", "7.2.13-1", binary_package=True)
    put(root, "7.9.1-1-scxlife-00000000", package="linux-source")
    assert kernels.fetch(silent()).version == "7.2.13+deb14-amd64"


@needs_apt
def test_a_kernel_without_its_vmlinuz_is_fetched_again(repository: Repository) -> None:
    content = offer(repository, "7.2.13+deb14-amd64", "7.2.13-1", binary_package=True)
    kernels.fetch(silent()).vmlinuz.unlink()
    assert kernels.installed() == []
    assert kernels.fetch(silent()).vmlinuz.read_bytes() == content


@needs_apt
def test_two_fetches_at_once_end_with_one_kernel(repository: Repository) -> None:
    offer(repository, "7.2.13+deb14-amd64", "7.2.13-1", binary_package=True)
    script = "import sys; from scxlife.platform.vm import kernels, progress; "
    script += "print(kernels.fetch(progress.PlainLines(sys.stderr)).fetched_at)"
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert sum("fetching linux-binary" in err for _, err in said) == 1
    assert len(kernels.installed()) == 1


@needs_apt
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_fetch_that_is_cut_short_leaves_no_kernel(
    repository: Repository, root: Path, number: signal.Signals, status: int, tmp_path: Path
) -> None:
    content = offer(repository, "7.2.13+deb14-amd64", "7.2.13-1", binary_package=True)
    # The .deb is there by then; who unpacks it says so and never ends.
    os.mkfifo(tmp_path / "begun")
    programs = tmp_path / "programs"
    programs.mkdir()
    wrapper = programs / "dpkg-deb"
    wrapper.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'begun'}\nexec sleep 600\n")
    wrapper.chmod(0o755)
    script = "from scxlife.lifecycle.cli import main; raise SystemExit(main(['kernel', 'fetch']))"
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    child = subprocess.Popen([sys.executable, "-c", script], env=env, stderr=subprocess.PIPE, text=True)
    unpacker = int((tmp_path / "begun").read_text())
    pidfd = os.pidfd_open(unpacker)
    try:
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
        assert child.returncode == status, said
        assert "Traceback" not in said
        assert kernels.installed() == []
        assert select.select([pidfd], [], [], 60)[0], "the child of the killed fetch lives on"
    finally:
        os.close(pidfd)
    partial = [path for path in root.iterdir() if ".partial-" in path.name]
    assert len(partial) == (0 if number == signal.SIGINT else 1)

    assert kernels.fetch(silent()).vmlinuz.read_bytes() == content
    assert [path.name for path in root.iterdir() if ".partial-" in path.name] == []


def test_kernels_are_listed_newest_first(root: Path) -> None:
    for version in ("7.9.3+deb14-amd64", "7.10.1+deb14-amd64", "6.12.117+deb13-amd64", "7.10~rc1+deb14-amd64"):
        put(root, version)
    assert [kernel.version for kernel in kernels.installed()] == [
        "7.10.1+deb14-amd64",
        "7.10~rc1+deb14-amd64",
        "7.9.3+deb14-amd64",
        "6.12.117+deb13-amd64",
    ]


def test_a_kernel_is_found_by_its_version_or_the_beginning_of_it(root: Path) -> None:
    for version in ("7.1.9+deb14-amd64", "7.10.1+deb14-amd64", "7.1.10+deb14-amd64"):
        put(root, version)
    assert kernels.find().version == "7.10.1+deb14-amd64"
    assert kernels.find("7.1").version == "7.1.10+deb14-amd64"
    assert kernels.find("7.1.9").version == "7.1.9+deb14-amd64"
    assert kernels.find("7.1.9+deb14-amd64").version == "7.1.9+deb14-amd64"
    with pytest.raises(cache.NotInstalled, match=r"there is no kernel 8; there is 7\.10\.1"):
        kernels.find("8")


def test_a_cache_without_a_kernel_says_how_to_get_one(root: Path) -> None:
    with pytest.raises(cache.NotInstalled) as raised:
        kernels.find()
    assert raised.value.hint == "run: scxlife kernel fetch"


def test_a_kernel_that_was_cut_is_not_listed(root: Path) -> None:
    put(root, "7.2.13+deb14-amd64").write_bytes(b"ker")
    assert kernels.installed() == []


def changed(vmlinuz: Path) -> None:
    """Some bytes in the middle: the same length, and the same times."""
    before = vmlinuz.stat()
    content = bytearray(vmlinuz.read_bytes())
    content[2:5] = b"XXX"
    vmlinuz.write_bytes(content)
    os.utime(vmlinuz, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_L11_a_changed_kernel_is_not_booted(root: Path) -> None:
    changed(put(root, "7.2.13+deb14-amd64"))
    with pytest.raises(cache.Damaged, match="is damaged: vmlinuz differs from its manifest") as raised:
        kernels.find()
    assert raised.value.hint == "run: scxlife kernel fetch"
    put(root, "7.1.1")
    assert kernels.find("7.1").version == "7.1.1"


def test_L11_a_changed_kernel_of_ones_own_says_how_to_build_it(root: Path) -> None:
    changed(put(root, "6.12.117-1-scxlife-3d7cff1e", package="linux-source"))
    with pytest.raises(cache.Damaged) as raised:
        kernels.find()
    assert raised.value.hint == "run: scxlife kernel build 6.12.117"


def test_L11_vm_run_names_a_changed_kernel(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    changed(put(root, "7.2.13+deb14-amd64"))
    started = subprocess.run(
        [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "--no-scheduler", "--", "true"], timeout=600
    )
    said = capfd.readouterr().err
    assert started.returncode == 1
    assert said.endswith("is damaged: vmlinuz differs from its manifest\nhint: run: scxlife kernel fetch\n")


@needs_apt
def test_L11_a_changed_kernel_is_fetched_again(repository: Repository) -> None:
    content = offer(repository, "7.2.13+deb14-amd64", "7.2.13-1", binary_package=True)
    changed(kernels.fetch(silent()).vmlinuz)
    told = io.StringIO()
    assert kernels.fetch(PlainLines(told)).vmlinuz.read_bytes() == content
    assert "is damaged: vmlinuz differs from its manifest; it is made again" in told.getvalue()
    assert kernels.find().version == "7.2.13+deb14-amd64"


def test_L11_a_changed_kernel_is_told_where_it_is_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(put(root, "7.2.13+deb14-amd64"))
    put(root, "7.1.1")
    assert run("list") == 0
    listed = capsys.readouterr()
    assert listed.out.startswith("7.1.1 ")
    assert "7.2.13+deb14-amd64 is damaged" in listed.err


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "6"},
        {"size": 6.5},
        {"sha256": "../../etc/passwd"},
        {"sha256": None},
        {"suite": "\x1b[31msid"},
        {"package": ["linux"]},
        {"fetched_at": "x" * 100_000},
    ],
    ids=str,
)
def test_L11_a_kernel_whose_manifest_makes_no_sense_is_named(root: Path, wrong: dict[str, object]) -> None:
    entry = put(root, "7.2.13+deb14-amd64").parent
    manifest = json.loads((entry / "manifest.json").read_text())
    (entry / "manifest.json").write_text(json.dumps({**manifest, **wrong}))
    assert kernels.installed() == []
    with pytest.raises(cache.NotInstalled, match=r"damaged in .*/kernels: '7\.2\.13\+deb14-amd64'") as raised:
        kernels.find()
    assert raised.value.hint == "run: scxlife kernel fetch"


def test_L11_a_kernel_that_is_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    vmlinuz = put(root, "7.2.13+deb14-amd64")
    vmlinuz.rename(tmp_path / "elsewhere")
    vmlinuz.symlink_to(tmp_path / "elsewhere")
    # Its length is that of the link, so it is not even listed.
    with pytest.raises(cache.NotInstalled, match="damaged in"):
        kernels.find()


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser(prog="scxlife kernel")
    command.add_arguments(parser)
    return command.run(parser.parse_args(argv))


def test_the_list_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vmlinuz = put(root, "7.2.13+deb14-amd64")
    assert run("list", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["version"] == "7.2.13+deb14-amd64"
    assert row["vmlinuz"] == str(vmlinuz)


def test_a_problem_is_told_in_two_lines(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", "--suite", "no suite") == 1
    assert capsys.readouterr().err == ("scxlife: error: 'no suite' is no name of a Debian suite\nhint: try sid\n")


def test_a_wrong_use_exits_2() -> None:
    with pytest.raises(SystemExit) as raised:
        run("fetch", "--nonsense")
    assert raised.value.code == 2


@pytest.mark.guest
def test_the_kernel_of_sid_is_fetched_from_the_real_mirror(root: Path) -> None:
    kernel = kernels.fetch(silent())
    # The magic of the Linux/x86 boot protocol, Documentation/arch/x86/boot.rst.
    assert kernel.vmlinuz.read_bytes()[0x202:0x206] == b"HdrS"
    assert kernel.version.startswith(kernel.package_version.split("-")[0])
