"""What a guest's CPUs share: nodes, last-level caches, cores, threads. As QEMU is to make it, and as a guest shows it.

A node is a socket with memory of its own, and a last-level cache a die: QEMU gives each die an L3 of its own, where the
CPU's vendor has leaf 0x1F of CPUID for dies (target/i386/cpu.c). Under TCG that takes Intel's name: as AMD's CPU, QEMU
7.2 has no topology extensions there, and all dies of a socket share one L3. Both were tried.

PID 1 imports this module for `shown`, so it imports little.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

#: The levels, from the outside: what each number of a topology counts, in each of the level before it.
LEVELS = ("nodes", "llcs", "cores", "threads")
#: What a guest shows of itself: the groups of CPUs that share a node, a last-level cache, a core.
GROUPS = ("nodes", "llcs", "cores")
#: QEMU's machine for PCs has no more, and its interrupt controllers address no more without help from KVM.
MOST_CPUS = 255
_APIC_BITS = 8
#: Bytes of memory that a node has at least.
LEAST_NODE = 64 << 20
_MIB = 1 << 20
# Letters of a list of CPUs in a message.
_SHOWN = 200

_CPUS = "/sys/devices/system/cpu"
_NODES = "/sys/devices/system/node"


class TopologyError(ValueError):
    """No guest can have this topology. The message says why."""


class Topology:
    """`nodes` nodes with `llcs` last-level caches each, of `cores` cores each, of `threads` threads each."""

    __slots__ = ("cores", "llcs", "nodes", "threads")

    def __init__(self, nodes: int, llcs: int, cores: int, threads: int) -> None:
        """Raises TopologyError."""
        self.nodes, self.llcs, self.cores, self.threads = nodes, llcs, cores, threads
        for name, count in zip(LEVELS, self.counts, strict=True):
            if not 1 <= count <= MOST_CPUS:
                raise TopologyError(f"a number of {name} from 1 to {MOST_CPUS} is wanted, not {count}")
        if self.cpus > MOST_CPUS:
            raise TopologyError(f"these are {self.cpus} CPUs, and a guest has at most {MOST_CPUS}")
        # Each level has whole bits of a CPU's address; the last address of all is the broadcast.
        bits = sum((count - 1).bit_length() for count in self.counts)
        if bits > _APIC_BITS or self.cpus == 1 << _APIC_BITS:
            raise TopologyError(f"the addresses of these CPUs take {bits} bits, and there are {_APIC_BITS}")

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return self.nodes, self.llcs, self.cores, self.threads

    @property
    def cpus(self) -> int:
        return self.nodes * self.llcs * self.cores * self.threads

    def groups(self) -> dict[str, list[str]]:
        """What a guest of this topology shows: for each of GROUPS, the CPUs of each group as in `0-3`."""
        sizes = {"nodes": self.llcs * self.cores * self.threads, "llcs": self.cores * self.threads}
        sizes["cores"] = self.threads
        return {name: [_cpu_list(at, sizes[name]) for at in range(0, self.cpus, sizes[name])] for name in GROUPS}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topology) and self.counts == other.counts

    def __hash__(self) -> int:
        return hash(self.counts)

    def __str__(self) -> str:
        return ",".join(map(str, self.counts))

    def __repr__(self) -> str:
        return f"Topology({self})"


#: By name, each a shape that schedulers tell apart.
PRESETS: Mapping[str, Topology] = {
    "smt": Topology(1, 1, 2, 2),
    "2llc": Topology(1, 2, 2, 1),
    "numa2": Topology(2, 1, 2, 1),
    "epyc-like": Topology(2, 2, 2, 2),
}


def parse(text: str) -> Topology:
    """``NODES,LLCS,CORES,THREADS``, or the name of a preset. Raises TopologyError."""
    if (preset := PRESETS.get(text)) is not None:
        return preset
    words = text.split(",")
    if len(words) != len(LEVELS) or not all(each.isascii() and each.isdigit() and len(each) < 5 for each in words):
        known = ", ".join(PRESETS)
        raise TopologyError(f"write NODES,LLCS,CORES,THREADS, such as 2,2,4,2, or one of {known}; this is {text!r}")
    return Topology(*map(int, words))


class Arguments:
    """What QEMU is told of a topology, but for the memory, which the caller makes: `nodes` are the sizes of the nodes'
    memory in bytes, one of a machine without NUMA. `cpu` is what the CPU model's word ends with."""

    __slots__ = ("cpu", "nodes", "smp")

    def __init__(self, smp: str, cpu: str, nodes: tuple[int, ...]) -> None:
        self.smp, self.cpu, self.nodes = smp, cpu, nodes

    def numa(self, backends: Sequence[str]) -> list[str]:
        """QEMU's words for the nodes, given the ids of their memory backends in order. None for a single node, whose
        backend is the machine's (``-M …,memory-backend=ID``)."""
        if len(self.nodes) == 1:
            return []
        words = []
        for node, backend in enumerate(backends):
            words += ["-numa", f"node,nodeid={node},memdev={backend}"]
            words += ["-numa", f"cpu,node-id={node},socket-id={node}"]
        return words


def arguments(topology: Topology | None, cpus: int, memory: int, *, tcg: bool) -> Arguments:
    """QEMU's words for `cpus` CPUs and `memory` bytes, rounded up to whole MiB. Raises TopologyError for nodes with too
    little memory."""
    size = -(-memory // _MIB)
    if topology is None:
        return Arguments(str(cpus), "", (size * _MIB,))
    if topology.nodes > 1 and memory // topology.nodes < LEAST_NODE:
        least = LEAST_NODE // _MIB
        raise TopologyError(f"each of {topology.nodes} nodes needs {least} MiB of memory: {topology.nodes * least}M")
    smp = "{},sockets={},dies={},cores={},threads={}".format(topology.cpus, *topology.counts)
    each, more = divmod(size, topology.nodes)
    sizes = tuple((each + (node < more)) * _MIB for node in range(topology.nodes))
    # With KVM the host's own caches would be shown.
    return Arguments(smp, ",vendor=GenuineIntel" if tcg else ",host-cache-info=off,l3-cache=on", sizes)


def mismatch(asked: Topology, found: Mapping[str, Sequence[str]]) -> str | None:
    """In words, how a guest that shows `found` differs from what was asked for; None if it does not."""
    for name, wanted in asked.groups().items():
        there = list(found.get(name, ()))
        if there != wanted:
            text, instead = (_short(" ".join(each)) or "nothing" for each in (there, wanted))
            return f"the guest's CPUs are not as asked: {name}: {text} instead of {instead}"
    return None


def shown(cpus: str = _CPUS, nodes: str = _NODES) -> dict[str, list[str]]:
    """What this machine's sysfs shows: for each of GROUPS, the CPUs of each group. A kernel without NUMA shows one node
    of all CPUs."""
    cores, llcs = [], []
    for cpu in _numbered(cpus, "cpu"):
        cores.append(_read(f"{cpu}/topology/thread_siblings_list"))
        caches = _numbered(f"{cpu}/cache", "index")
        llcs.append(_read(f"{caches[-1]}/shared_cpu_list") if caches else "")
    found = [_read(f"{node}/cpulist") for node in _numbered(nodes, "node")] or [_read(f"{cpus}/online")]
    return {
        name: [each for each in dict.fromkeys(of) if each]
        for name, of in zip(GROUPS, (found, llcs, cores), strict=True)
    }


def _numbered(folder: str, prefix: str) -> list[str]:
    """The entries of `folder` that are `prefix` and a number, by that number."""
    numbers = []
    with suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208
            rest = name.removeprefix(prefix)
            if rest != name and rest.isdigit():
                numbers.append(int(rest))
    return [f"{folder}/{prefix}{number}" for number in sorted(numbers)]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return file.read(4096).strip()
    except (OSError, ValueError):
        return ""


def _cpu_list(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"
