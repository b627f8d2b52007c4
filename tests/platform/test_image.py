"""The initramfs: what the entry imports is in it, and it starts from nothing but itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scxlife.platform.vm import image, interpreter
from scxlife.platform.vm.cache import CacheError
from scxlife.platform.vm.interpreter import ImportMeasureError

busybox = shutil.which("busybox")
chroot = shutil.which("chroot") or "/usr/sbin/chroot"
ENTRY = "entry_of_the_image_test"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.syspath_prepend(str(modules))
    (modules / f"{ENTRY}.py").write_text(
        "import json, select, sys\n"
        "from scxlife.platform.vm import frames\n"
        "import entry_package.inner\n"
        "def main():\n"
        "    print(json.dumps([sys.flags.isolated, sys.flags.no_site, sys.prefix, frames.__file__]))\n"
    )
    package = modules / "entry_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("")
    return modules


def listed(archive: Path) -> list[str]:
    assert busybox is not None
    # Reads the first archive of a concatenation only.
    done = subprocess.run([busybox, "cpio", "-t"], input=archive.read_bytes(), capture_output=True, check=True)
    return ["/" + name for name in done.stdout.decode().splitlines()]


needs_busybox = pytest.mark.skipif(busybox is None, reason="busybox is not installed")


@needs_busybox
def test_the_base_holds_what_the_entry_imports_and_nothing_else() -> None:
    names = listed(image.build_base(entry=ENTRY).archive)
    library = f"/scxlife/{interpreter.library_name()}"
    expected = {
        "json/decoder.pyc",
        "os.pyc",
        "scxlife/platform/vm/frames.pyc",
        f"{ENTRY}.pyc",
        "entry_package/inner.pyc",
    }
    assert {f"{library}/{name}" for name in expected} <= set(names)
    assert "/init" in names
    assert "/dev/console" in names
    assert not [name for name in names if name.endswith(".py")]
    assert not [name for name in names if "unittest" in name or "asyncio" in name or "attr/" in name]


def test_a_module_that_is_asked_for_comes_along() -> None:
    measured = {module.name for module in interpreter.measure(["json", "textwrap"])}
    assert {"json", "textwrap"} <= measured


@needs_busybox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its root directory")
def test_the_base_starts_from_nothing_but_itself(tmp_path: Path) -> None:
    assert busybox is not None
    base = image.build_base(entry=ENTRY, busybox=Path(busybox))
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run([busybox, "cpio", "-i", "-d"], input=base.archive.read_bytes(), cwd=root, capture_output=True)
    incomplete = subprocess.run([chroot, root, "/init"], capture_output=True, text=True, env={})
    assert incomplete.returncode != 0
    assert image.INCOMPLETE in incomplete.stderr
    (root / image.SENTINEL.lstrip("/")).touch()
    # A word from the kernel's command line, as the kernel hands it to init.
    done = subprocess.run([chroot, root, "/init", "unheard-of"], capture_output=True, text=True, env={})
    assert done.stderr == f"{image.STARTED}\n"
    where = f"/scxlife/{interpreter.library_name()}/scxlife/platform/vm/frames.pyc"
    assert done.stdout == f'[1, 1, "/scxlife", "{where}"]\n'
    shell = subprocess.run([chroot, root, "/bin/sh", "-c", "echo $((6*7))"], capture_output=True, text=True, env={})
    assert shell.stdout == "42\n"


@needs_busybox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its root directory")
@pytest.mark.parametrize("console", ["2>&-", "0<&- 1>&- 2>&-"])
def test_D5_without_a_console_init_runs_all_the_same(own_cache: Path, tmp_path: Path, console: str) -> None:
    assert busybox is not None
    (own_cache / f"{ENTRY}.py").write_text("def main():\n    open('/ran', 'w').close()\n")
    base = image.build_base(entry=ENTRY)
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run([busybox, "cpio", "-i", "-d"], input=base.archive.read_bytes(), cwd=root, capture_output=True)
    (root / image.SENTINEL.lstrip("/")).touch()
    subprocess.run(["sh", "-c", f"exec {chroot} {root} /init {console}"], env={})
    assert (root / "ran").exists()


def test_the_same_contents_are_built_once_and_a_changed_source_again(own_cache: Path) -> None:
    first = image.build_base(entry=ENTRY)
    written = first.archive.stat().st_ino
    assert image.build_base(entry=ENTRY).archive.stat().st_ino == written
    (own_cache / "entry_package" / "inner.py").write_text("changed = True\n")
    assert image.build_base(entry=ENTRY).archive != first.archive


@pytest.mark.parametrize(
    "damage",
    [
        lambda archive: archive.write_bytes(archive.read_bytes()[:-1] + b"X"),
        lambda archive: archive.write_bytes(archive.read_bytes()[:-1]),
        lambda archive: archive.unlink(),
        lambda archive: (archive.unlink(), os.mkfifo(archive)),
        lambda archive: (archive.unlink(), archive.mkdir()),
    ],
    ids=["byte", "length", "gone", "fifo", "folder"],
)
def test_L11_a_damaged_base_is_named_and_built_again(damage: Callable[[Path], object]) -> None:
    sound = image.build_base(entry=ENTRY).archive.read_bytes()
    damage(image.build_base(entry=ENTRY).archive)
    told: list[str] = []
    archive = image.build_base(entry=ENTRY, waiting=told.append).archive
    assert archive.read_bytes() == sound
    assert set(told) == {f"{archive.parent} is damaged: base.cpio differs from its manifest; it is made again"}


def test_L11_a_base_that_others_can_write_to_is_refused() -> None:
    image.build_base(entry=ENTRY).archive.chmod(0o666)
    with pytest.raises(CacheError, match=r"other users can write to .*/base\.cpio"):
        image.build_base(entry=ENTRY)


def test_another_init_is_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    first = image.build_base(entry=ENTRY).archive
    monkeypatch.setattr(image, "_INIT", image._INIT + "# another\n")
    second = image.build_base(entry=ENTRY).archive
    assert (b"# another" in first.read_bytes(), b"# another" in second.read_bytes()) == (False, True)


def test_only_the_bases_used_last_are_kept(own_cache: Path, tmp_path: Path) -> None:
    archives = []
    for number in range(10):
        (own_cache / "entry_package" / "inner.py").write_text(f"number = {number}\n")
        archives.append(image.build_base(entry=ENTRY).archive)
    assert [archive.exists() for archive in archives] == [False] * 2 + [True] * 8


def test_two_builds_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = image.build_base(entry=ENTRY).archive.read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert image.build_base(entry=ENTRY).archive.read_bytes() == first


def test_an_entry_that_can_not_be_imported_is_told_with_its_traceback(own_cache: Path) -> None:
    (own_cache / "entry_package" / "inner.py").write_text("import no_such_module\n")
    with pytest.raises(ImportMeasureError, match="no_such_module"):
        image.build_base(entry=ENTRY)


def test_the_run_follows_the_base_and_ends_with_the_sentinel(tmp_path: Path) -> None:
    base = image.build_base(entry=ENTRY)
    script = tmp_path / "payload"
    script.write_text("just data")
    run = image.Run(
        config=b"{1}", definition=b"{2}", scheduler=script, scheduler_args="--a 'b c'", files=((script, "/zz/data"),)
    )
    target = tmp_path / "initrd"
    image.build_run(base, run, target)
    initrd = target.read_bytes()
    unsealed = base.archive.read_bytes().removesuffix(image._seal())
    assert initrd.startswith(unsealed)
    added = initrd[len(unsealed) :]
    names = [b"scheduler\0", b"sched_args\0", b"zz/data\0", b"scxlife/config.json\0", b"scxlife/definition.json\0"]
    for name in names:
        assert added.count(name) == 1
        assert added.index(name) < added.index(b".scxlife_complete\0")
    # It has an archive of its own, the last.
    assert added.index(b"TRAILER!!!\0") < added.index(b".scxlife_complete\0") < added.rindex(b"TRAILER!!!\0")
    assert b"--a 'b c'" in added


def test_a_library_that_the_base_holds_is_not_added_again(tmp_path: Path) -> None:
    base = image.build_base(entry=ENTRY)
    target = tmp_path / "initrd"
    image.build_run(base, image.Run(b"", b"", programs=(Path("/bin/true"),)), target)
    added = target.read_bytes()[base.archive.stat().st_size - len(image._seal()) :]
    assert b"bin/true\0" in added
    assert b"lib/libc.so.6\0" not in added


def test_nothing_replaces_what_pid_1_stands_on(tmp_path: Path) -> None:
    base = image.build_base(entry=ENTRY)
    with pytest.raises(image.ImageError, match="would replace"):
        run = image.Run(b"", b"", files=((Path("/bin/true"), "/scxlife/bin/python3"),))
        image.build_run(base, run, tmp_path / "initrd")
