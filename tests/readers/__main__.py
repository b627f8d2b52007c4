"""`python -m tests.readers --seconds 600 tape`: atheris against one reader, until something is a traceback or endless.

What it finds is left in the folder --keep, and `python -m tests.readers tape FILE` tries it again.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import atheris
from tests.readers.mutation import mutated

# What decides over what is read. All the rest would take the time of the search.
CODE = ["scxlife.fsm.replay", "scxlife.fsm.tape_reader", "scxlife.fsm.yaml_reader", "scxlife.fsm.table"]
CODE += ["scxlife.diagrams.timeline", "scxlife.lifecycle.simulated.scenario", "scxlife.lifecycle.control.told"]
CODE += ["scxlife.lifecycle.commands.ctl", "scxlife.platform.vm.kernels", "scxlife.platform.vm.schedulers"]

with atheris.instrument_imports(include=CODE, enable_loader_override=False):
    from tests.readers.readers import READERS

# Seconds that reading one file may take: generous, for it is another machine that is slow.
TIMEOUT = 60
# MiB beyond what this process had at its start, which includes what its parent had: the kernel hands that figure on.
MEMORY = 2048
LONGEST = 65_536


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.readers", description=__doc__)
    parser.add_argument("reader", choices=sorted(READERS))
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="read these, and nothing else")
    parser.add_argument("--seconds", type=int, default=60, help="end after this long (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="what the draws begin with (default: 1)")
    parser.add_argument("--keep", type=Path, default=Path(), help="where findings go (default: here)")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, READERS[parsed.reader](Path(folder)) as reader:
        for file in parsed.files:
            reader.read(file.read_bytes())
        if parsed.files:
            return
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, sample in enumerate(reader.samples()):
            (corpus / f"{number}").write_bytes(sample[:LONGEST])
            reader.read(sample)
        options = [f"-max_total_time={parsed.seconds}", f"-seed={parsed.seed}", f"-timeout={TIMEOUT}"]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + MEMORY
        options += [f"-max_len={LONGEST}", f"-rss_limit_mb={memory}"]
        options += [f"-artifact_prefix={parsed.keep}/{parsed.reader}-"]

        def mutate(data: bytes, most: int, seed: int) -> bytes:
            return mutated(data, seed, reader.form, atheris.Mutate)[:most]

        atheris.Setup([sys.argv[0], *options, str(corpus)], reader.read, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
