"""What a build of a kernel lacks is told with the line that installs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scxlife.platform.vm import build_tools


def programs(directory: Path, *names: str) -> str:
    directory.mkdir()
    for name in names:
        (directory / name).symlink_to("/bin/true")
    return str(directory)


def test_all_that_is_missing_is_told_in_one_apt_get_line(tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", "make", "gcc", "ld", "tar", "xz", "zstd")
    with pytest.raises(build_tools.ToolMissing, match=r"flex, bison, bc$") as raised:
        build_tools.check(path)
    assert raised.value.hint == "run: apt-get install flex bison bc"


def test_a_missing_header_is_told_by_its_package(tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", "make", "ld", "flex", "bison", "bc", "tar", "xz", "zstd")
    compiler = tmp_path / "bin" / "gcc"
    compiler.write_text("#!/bin/sh\nread -r line\ntest \"$line\" != '#include <gelf.h>'\n")
    compiler.chmod(0o755)
    with pytest.raises(build_tools.ToolMissing, match=r"what is not here: gelf\.h$") as raised:
        build_tools.check(path)
    assert raised.value.hint == "run: apt-get install libelf-dev"
