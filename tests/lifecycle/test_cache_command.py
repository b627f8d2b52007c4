"""`scxlife cache`: what is listed, what goes, what stays."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from scxlife.lifecycle.cli import main
from scxlife.platform.vm import cache, warm

DAY = 86_400


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "scxlife"


def entry(root: Path, name: str, size: int, days: float = 0.0, **manifest: str) -> Path:
    made = root / name
    with cache.locked(made, lambda _: None), cache.publish(made, lasting=False) as draft:
        (draft.path / "content").write_bytes(os.urandom(size))
        draft.manifest.update(manifest)
    used = time.time() - days * DAY
    os.utime(made, (used, used))
    return made


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert main(["cache", "list", "--json"]) == 0
    return {found["name"]: found for found in json.loads(capsys.readouterr().out)["entries"]}


def test_entries_are_listed_with_their_sizes_and_ages(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry(root, "kernels/7.2", 1 << 20, 3, version="7.2")
    entry(root, "warm/a", 3 << 20, machine="7.2, 2 CPUs")
    found = listed(capsys)
    assert [name for name in found if name.endswith(("7.2", "/a"))] == ["warm/a", "kernels/7.2"]
    kernel = found["kernels/7.2"]
    assert isinstance(kernel["bytes"], int)
    assert 1 << 20 <= kernel["bytes"] < 2 << 20
    assert isinstance(kernel["age"], float)
    assert 3 * DAY <= kernel["age"] < 3 * DAY + 3600
    assert main(["cache", "list"]) == 0
    out = capsys.readouterr().out
    assert "3 d  kernels/7.2  (7.2)" in out
    assert out.splitlines()[-1].endswith(f"in all, in {root}")


def test_a_hole_takes_no_room(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = entry(root, "warm/a", 1 << 20)
    os.truncate(made / "content", 1 << 30)
    size = listed(capsys)["warm/a"]["bytes"]
    assert isinstance(size, int)
    assert size < 2 << 20


def test_an_empty_cache_is_listed_and_pruned(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys) == {}
    assert main(["cache", "prune"]) == 0
    assert not root.exists()


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ((), {"kernels/old", "warm/new", "guests/new"}),
        (("--older-than", "9d"), {"kernels/old", "warm/new", "guests/new", "warm/old"}),
        (("--all",), {"kernels/old"}),
        (("kernels/old",), {"warm/old", "warm/new", "guests/new"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_made_again_goes_and_the_rest_only_by_its_name(
    root: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], left: set[str]
) -> None:
    for name, days in (("kernels/old", 99.0), ("warm/old", 8.0), ("warm/new", 1.0), ("guests/new", 1.0)):
        entry(root, name, 1000, days)
    assert main(["cache", "prune", *words]) == 0
    assert "freed" in capsys.readouterr().out
    assert {name for name in listed(capsys) if "/" in name} == left


def test_what_another_process_builds_stays(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = entry(root, "warm/a", 1000)
    with cache.locked(made, lambda _: None):
        assert main(["cache", "prune", "warm/a"]) == 1
    assert "kept    warm/a: it is in use" in capsys.readouterr().out
    assert made.exists()


def test_the_rest_of_a_folder_goes_without_its_entries_and_what_is_being_built(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = entry(root, "warm/new", 1000)
    for name in (".new.partial-1", "damaged"):
        (root / "warm" / name).mkdir()
        (root / "warm" / name / "content").touch()
    assert {"warm/new", "warm"} == {*listed(capsys)}
    assert main(["cache", "prune", "warm"]) == 0
    assert kept.exists()
    assert {path.name for path in (root / "warm").iterdir() if not path.name.endswith(".lock")} == {
        "new",
        ".new.partial-1",
    }


def test_a_name_that_is_not_there_is_a_usage_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = entry(root, "warm/a", 1000)
    for name in ("warm/b", "../warm/a", str(made), "warm/a/content"):
        assert main(["cache", "prune", "warm/a", name]) == 2
        assert f"there is no {name} in the cache" in capsys.readouterr().err
    assert made.exists()


def test_a_link_in_the_cache_is_not_followed(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry(root, "warm/a", 1000)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (root / "warm" / "link").symlink_to(outside)
    (root / "logs").symlink_to(outside)
    main(["cache", "prune", "--all"])
    capsys.readouterr()
    assert (outside / "file").exists()


def test_images_have_a_bound_and_the_one_used_last_stays(root: Path) -> None:
    for number in range(4):
        entry(root, f"{warm.FOLDER}/{number}", 1 << 20, days=number)
    warm.forget_old((2 << 20) + (1 << 19))
    assert {path.name for path in (root / warm.FOLDER).iterdir() if not path.name.startswith(".")} == {"0", "1"}
    warm.forget_old(0)
    assert {path.name for path in (root / warm.FOLDER).iterdir() if not path.name.startswith(".")} == {"0"}
