"""Hundreds of schedulers, one after the other, in one boot: whatever becomes of each, nothing of it is left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.vm.fates import draw
from tests.vm.lives import HERE, SEEDS, boot, report

from scxlife.platform.vm import guest
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

LIVES = 200


@pytest.mark.parametrize("sigchld", SEEDS)
def test_A19_F9_two_hundred_random_lives_end_as_they_may_and_leave_nothing(
    small_kernel: Kernel, sigchld: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    seed = SEEDS[sigchld]
    seen = boot(small_kernel, seed, range(LIVES), sigchld, tmp_path)
    ends = Counter(life.told["outcome"]["outcome"] for life in seen.lives)
    print(f"SIGCHLD {sigchld}, seed {seed}: {seen.per_second:.2f} lives a second; {dict(ends)}")
    wrong = [report(life) for life in seen.lives if life.wrong]
    assert not wrong, "\n\n".join(wrong)
    told = len(seen.lives)
    assert isinstance(seen.result, guest.Completed), f"in life {told}: {draw(seed, told)}: {seen.result}"
    assert told == LIVES
    assert seen.hello["refused"] == []
