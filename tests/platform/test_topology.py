"""Topologies: as words, as QEMU's arguments, as a kernel's sysfs shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.platform.vm.topology import (
    MOST_CPUS,
    PRESETS,
    Topology,
    TopologyError,
    arguments,
    mismatch,
    parse,
    shown,
)

MIB = 1 << 20


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_found_by_its_name_and_by_its_numbers(name: str) -> None:
    assert parse(name) == PRESETS[name] == parse(str(PRESETS[name]))


def test_each_number_counts_what_is_in_one_of_the_level_before() -> None:
    shape = parse("2,2,1,2")
    assert (shape.cpus, shape.groups()) == (
        8,
        {"nodes": ["0-3", "4-7"], "llcs": ["0-1", "2-3", "4-5", "6-7"], "cores": ["0-1", "2-3", "4-5", "6-7"]},
    )
    assert parse("1,1,3,1").groups() == {"nodes": ["0-2"], "llcs": ["0-2"], "cores": ["0", "1", "2"]}


WRONG = {
    "nothing": ("", "write NODES,LLCS,CORES,THREADS"),
    "three": ("1,2,3", "write NODES"),
    "five": ("1,1,1,1,1", "write NODES"),
    "no such preset": ("numa3", "or one of smt, 2llc, numa2, epyc-like"),
    "zero": ("1,0,2,2", "a number of llcs from 1 to 255"),
    "negative": ("1,1,-2,2", "write NODES"),
    "a digit of another script": ("1,1,²,2", "write NODES"),
    "a space": ("1, 1,2,2", "write NODES"),
    "huge": ("1,1,99999999999,2", "write NODES"),
    "too many of one": ("1,1,256,1", "a number of cores from 1 to 255"),
    "too many together": ("4,4,8,2", "these are 256 CPUs"),
    "addresses too long": ("3,3,9,3", "take 10 bits"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_topology_that_no_guest_can_have_is_refused(case: str) -> None:
    text, words = WRONG[case]
    with pytest.raises(TopologyError, match=words):
        parse(text)


def test_the_nodes_share_the_memory_and_lose_none_of_it() -> None:
    made = arguments(parse("3,1,1,1"), 3, 512 * MIB, tcg=True)
    assert made.smp == "3,sockets=3,dies=1,cores=1,threads=1"
    assert [size // MIB for size in made.nodes] == [171, 171, 170]
    assert made.numa(["a", "b", "c"])[4:8] == ["-numa", "node,nodeid=1,memdev=b", "-numa", "cpu,node-id=1,socket-id=1"]


def test_a_machine_of_one_node_has_no_words_for_nodes() -> None:
    assert arguments(parse("smt"), 4, 512 * MIB, tcg=True).numa(["a"]) == []
    plain = arguments(None, 5, 511 * MIB + 1, tcg=True)
    assert (plain.smp, plain.cpu, plain.nodes) == ("5", "", (512 * MIB,))


def test_nodes_with_too_little_memory_are_refused() -> None:
    with pytest.raises(TopologyError, match="each of 8 nodes needs 64 MiB of memory: 512M"):
        arguments(parse("8,1,1,1"), 8, 511 * MIB, tcg=True)


@pytest.fixture
def sysfs(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two nodes of one CPU and two threads, and entries that are none."""
    cpus, nodes = tmp_path / "cpu", tmp_path / "node"
    for cpu, core in (("cpu0", "0"), ("cpu1", "1-2"), ("cpu2", "1-2")):
        (cpus / cpu / "topology").mkdir(parents=True)
        (cpus / cpu / "topology/thread_siblings_list").write_text(f"{core}\n")
        for index, shared in (("index0", cpu[3:]), ("index3", core), ("index10", core)):
            (cpus / cpu / "cache" / index).mkdir(parents=True)
            (cpus / cpu / "cache" / index / "shared_cpu_list").write_text(f"{shared}\n")
    (cpus / "online").write_text("0-2\n")
    for name, listed in (("node0", "0"), ("node1", "1-2")):
        (nodes / name).mkdir(parents=True)
        (nodes / name / "cpulist").write_text(f"{listed}\n")
    for other in (cpus / "cpufreq", cpus / "cpu0/cache/uevent", nodes / "has_cpu", cpus / "cpu9"):
        other.mkdir()
    yield cpus, nodes


def test_what_sysfs_shows_is_read_as_groups(sysfs: tuple[Path, Path]) -> None:
    found = shown(*map(str, sysfs))
    assert found == {"nodes": ["0", "1-2"], "llcs": ["0", "1-2"], "cores": ["0", "1-2"]}


def test_a_kernel_without_numa_shows_one_node_of_all_cpus(sysfs: tuple[Path, Path]) -> None:
    assert shown(str(sysfs[0]), "/nowhere")["nodes"] == ["0-2"]


def test_a_machine_without_sysfs_shows_nothing() -> None:
    assert shown("/nowhere", "/nowhere") == {"nodes": [], "llcs": [], "cores": []}


#: What a guest may show instead of `2,1,2,1`, and what is said of it.
OTHERS: dict[str, tuple[dict[str, list[str]], str]] = {
    "no nodes": ({"nodes": ["0-3"]}, "nodes: 0-3 instead of 0-1 2-3"),
    "one cache": ({"llcs": ["0-3"]}, "llcs: 0-3 instead of 0-1 2-3"),
    "threads": ({"cores": ["0-1", "2-3"]}, "cores: 0-1 2-3 instead of 0 1 2 3"),
    "fewer CPUs": ({"nodes": ["0-1", "2"]}, "nodes: 0-1 2 instead of 0-1 2-3"),
    "in another order": ({"nodes": ["2-3", "0-1"]}, "nodes: 2-3 0-1 instead of 0-1 2-3"),
    "interleaved": ({"llcs": ["0,2", "1,3"]}, "llcs: 0,2 1,3 instead of"),
    "nothing": ({"llcs": []}, "llcs: nothing instead of"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_topology_than_asked_for_is_put_in_words(case: str) -> None:
    more, words = OTHERS[case]
    asked = Topology(2, 1, 2, 1)
    assert mismatch(asked, asked.groups()) is None
    assert words in (mismatch(asked, {**asked.groups(), **more}) or "")
    assert mismatch(asked, {})


def test_the_words_about_a_mismatch_are_short_however_much_a_guest_shows() -> None:
    found = {"nodes": ["0,1"] * 256, "llcs": [], "cores": []}
    assert len(mismatch(Topology(1, 1, MOST_CPUS, 1), found) or "") < 600
