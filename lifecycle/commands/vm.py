"""`scxlife vm run`: one scheduler in a guest whose PID 1 is our init."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import attrs

from scxlife.lifecycle import interrupts
from scxlife.lifecycle.commands.problems import telling
from scxlife.lifecycle.control.listening import ListeningSocket
from scxlife.lifecycle.duration_option import positive_duration
from scxlife.lifecycle.guest_files import Taken, gets_of, host_files_of, kernel_of, scheduler_of, taken_along
from scxlife.lifecycle.guest_gets import Gets
from scxlife.lifecycle.guest_recipe import Machine, Recipe, base_of
from scxlife.lifecycle.guest_records import Begins, Lifecycle, OperationsLine
from scxlife.lifecycle.guest_report import Report
from scxlife.lifecycle.guest_run import LOG_LIMIT, Attempt, OnOther, OnTape, judge, run_in_guest
from scxlife.lifecycle.kept_file import KeptFile
from scxlife.lifecycle.operations.life_tapes import LifeTapes
from scxlife.lifecycle.operations.restart_policy import POLICIES
from scxlife.lifecycle.operations.timeline import OperationsTimeline
from scxlife.lifecycle.options import add_settings, boot_ending, chosen, operations, shipped
from scxlife.lifecycle.outcomes import GUEST_FAILED, NotConfigured
from scxlife.lifecycle.outlet import Outlets
from scxlife.lifecycle.payload_streams import LIMIT, PayloadStreams
from scxlife.lifecycle.shown import Shown
from scxlife.lifecycle.tapefile import TapeFile
from scxlife.lifecycle.terminal import Terminal, is_ours
from scxlife.lifecycle.timeline import Timeline
from scxlife.lifecycle.usage import UsageError
from scxlife.lifecycle.vm_words import Words, understood
from scxlife.platform.kernel import Kernel
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.signals import SignalSource
from scxlife.platform.vm import accel, topology, warm
from scxlife.platform.vm.cache import ArtifactError, NotInstalled, cache_root
from scxlife.platform.vm.guest import GuestSpec
from scxlife.platform.vm.host_files import HostFiles

SUMMARY = "run a scheduler in a guest with a sched_ext kernel"
# Seconds that a scheduler runs when there is neither a payload nor --for: enough to see that it stays attached.
WITHOUT_PAYLOAD = 2.0
# Bytes. No kernel with PID 1 in its initramfs boots in less.
LEAST_MEMORY = 96 << 20
SUMMARY_WARM = "save guests that have booted, for vm run to go on from"
SUMMARY_SHELL = "open a shell in a guest, with a scheduler attached"
# Seconds that a shell may stay open: nothing bounds what a person does there, but a forgotten guest ends.
LONGEST_SHELL = 86_400.0
WAITING = "waiting for the scheduler…"
# Bytes of more words for the kernel's command line: COMMAND_LINE_SIZE of x86 is 2048, and the rest is cut off.
LONGEST_APPEND = 1900
DEFAULT_CPUS = 2

EPILOG_RUN = """The first word that is no option is the scheduler, and the words after it are its arguments. What
follows -- is the payload. Without a scheduler, scx_simple is taken.

examples:
  scxlife vm run ./scx_mine -s 20000                 as: scxlife run -- ./scx_mine -s 20000
  scxlife vm run --cpus 4 ./scx_mine -- sh -c 'stress & sleep 5'
  scxlife vm run -- sleep 3                          the payload, on scx_simple
  scxlife vm run --scheduler scx_simple --sched-args -v --for 2s --json
  scxlife vm run --no-scheduler -- ./benchmark       the same payload on the kernel's own scheduler
  scxlife vm run --stage b=scx_flatcg -- sh -c 'sleep 1; scxlife ctl replace b; sleep 1; scxlife ctl status'
  scxlife vm run --control /tmp/guest.sock --stage b=scx_flatcg     and then: scxlife ctl --control /tmp/guest.sock …

A NAME is looked up among what `scxlife schedulers build` made; the kernel is the newest of `scxlife kernel list`
unless --kernel names one. The payload finds busybox's tools in the guest; its own program is
taken along, and it starts in the same directory as here. Without a payload and --for, the scheduler is stopped 2 s
after it attached.

The payload's output appears on ours as it is written, byte for byte, and with a payload everything else goes to
stderr, the output of --setup too. With --json stdout has the object alone, the payload's output goes to stderr, and
the object has the last 64 KiB of each of its streams. Standard input is the payload's (</dev/null gives it none). On a
terminal the payload has a terminal: Ctrl-C is its own until it ends, and our lines wait meanwhile.

Ctrl-C or SIGTERM stops the scheduler in the guest and reports the outcome; a second one ends the guest at once. Before
there is a guest, or while the first of its kind is saved, it ends the command (130, 143), and nothing was run.

exit codes: as `scxlife run --help` tells, and
  1    the payload failed (its status is in the JSON)
  15   the guest itself failed: panic, hang, out of memory, cut off"""


EPILOG_SHELL = """This is `scxlife vm run` with an interactive shell as the payload, on this terminal: Ctrl-C, the size
of the window and full-screen programs work as in any shell. `exit` or Ctrl-D ends the shell, and the guest with it.
Our own lines wait until then; -v shows the steps up to there. The guest ends after a day, or after --timeout."""


def size(text: str) -> int:
    """An argparse type: bytes, from a number with K, M or G."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    number, unit = text[:-1], text[-1:].upper()
    if unit not in units or not (number.isascii() and number.isdigit() and len(number) < 12):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write a number with K, M or G, such as 512M")
    return int(number) * units[unit]


def memory(text: str) -> int:
    """An argparse type: a size in which a guest can boot."""
    if (found := size(text)) < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text!r} is too little for a guest: at least {LEAST_MEMORY >> 20}M")
    return found


def kernel_words(text: str) -> tuple[str, ...]:
    """An argparse type: words for a kernel's command line."""
    if len(os.fsencode(text)) > LONGEST_APPEND:
        raise argparse.ArgumentTypeError(f"the kernel takes at most {LONGEST_APPEND} bytes more; these are {len(text)}")
    if text.count('"') % 2:
        raise argparse.ArgumentTypeError(f"{text!r}: a quotation is left open")
    if any(ord(each) < ord(" ") and each not in "\t\n" for each in text):
        raise argparse.ArgumentTypeError(f"{text!r}: there is a control character in it")
    return tuple(text.split())


def positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9) or not 1 <= int(text) <= 255:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of CPUs from 1 to 255 is wanted")
    return int(text)


def topology_of(text: str) -> topology.Topology:
    """An argparse type: what the guest's CPUs share."""
    try:
        return topology.parse(text)
    except topology.TopologyError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sub = actions.add_parser(
        "run", help=SUMMARY, epilog=EPILOG_RUN, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sub.usage = "scxlife vm run [options] [SCHEDULER [ARG…]] [-- PAYLOAD …]"
    _add_options(sub)
    sub.add_argument("--json", action="store_true", help="print the outcome as one object, the last line of stdout")
    sub.set_defaults(options=frozenset(sub._option_string_actions))
    sub = actions.add_parser(
        "shell", help=SUMMARY_SHELL, epilog=EPILOG_SHELL, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sub.usage = "scxlife vm shell [options] [SCHEDULER [ARG…]]"
    _add_options(sub)
    sub.set_defaults(options=frozenset(sub._option_string_actions), json=False, timeout=LONGEST_SHELL)
    sub = actions.add_parser(
        "warm", help=SUMMARY_WARM, epilog=EPILOG_WARM, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sub.add_argument("kernels", nargs="*", metavar="VMLINUZ", help="kernel images, or versions of the cache")
    sub.add_argument("--force", action="store_true", help="even if there is one")
    _add_machine(sub)
    sub.set_defaults(console=False)


EPILOG_WARM = """\
`vm run` does this by itself, the first time that it needs a guest of a kind: one kernel, these CPUs, this memory.

examples:
  scxlife vm warm                            the newest kernel, 2 CPUs, 512 MiB
  scxlife vm warm 6.12 7.2 --cpus 4
  scxlife cache list

exit codes:
  1    it could not be saved
  15   the guest did not boot
"""


def _add_machine(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--accel", choices=("auto", "kvm", "tcg"), default="auto", help="default: KVM if it works")
    sub.add_argument("--cpus", type=positive, metavar="N", help="default: 2, or as many as --topology has")
    sub.add_argument(
        "--topology",
        type=topology_of,
        metavar="NODES,LLCS,CORES,THREADS",
        help="make NODES NUMA nodes of LLCS last-level caches each, each of CORES cores of THREADS threads: 2,2,4,2 has"
        f" 32 CPUs. Presets: {', '.join(f'{name} ({shape})' for name, shape in topology.PRESETS.items())}",
    )
    sub.add_argument("--memory", type=memory, default=512 << 20, metavar="SIZE", help="default: 512M")
    sub.add_argument(
        "--timeout", type=positive_duration, default=120.0, metavar="S", help="for the whole guest; default: 120s"
    )
    sub.add_argument(
        "--append", type=kernel_words, default=(), metavar="WORDS", help="more words for the kernel's command line"
    )


def _add_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--scheduler", metavar="NAME|PATH", help="the same as SCHEDULER (default: scx_simple)")
    sub.add_argument("--no-scheduler", action="store_true", help="run the payload on the kernel's own scheduler")
    sub.add_argument("--sched-args", metavar='"…"', help="its arguments, split as a shell would")
    sub.add_argument("--kernel", metavar="VMLINUZ", help="a kernel image, or a version of the cache")
    _add_machine(sub)
    sub.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="NAME=SCHEDULER",
        help="a scheduler to be asked for by NAME: a NAME or PATH as for --scheduler, and arguments in the same word",
    )
    sub.add_argument("--control", metavar="SOCKET", help="where scxlife ctl of this host can ask the guest's PID 1")
    sub.add_argument(
        "--restart", choices=POLICIES, help="after which ends a scheduler is started again (default: never)"
    )
    sub.add_argument("--cold", action="store_true", help="boot, even if a guest of this kind has been saved")
    sub.add_argument("--setup", default="", metavar="COMMAND", help="a shell command to run before the scheduler")
    sub.add_argument("--add", action="append", default=[], metavar="FILE", help="take FILE along, at the same path")
    sub.add_argument(
        "--rootfs",
        choices=("busybox", "host"),
        default="busybox",
        help="give the payload the files of this host, to read; what it changes is in memory (default: busybox)",
    )
    sub.add_argument(
        "--get",
        action="append",
        default=[],
        metavar="FILE[=DEST]",
        help="copy a file out of the guest in the end, to DEST or its name in this folder (256 MiB in all)",
    )
    sub.add_argument(
        "--rw", action="append", default=[], metavar="DIR", help="let it write to this folder of --rootfs host"
    )
    sub.add_argument(
        "--log", metavar="FILE", help="write the scheduler's log as it comes, the last 4 MiB are kept (-: stdout)"
    )
    sub.add_argument("--dump", metavar="FILE", help="keep what the kernel dumped when it ejected the scheduler")
    sub.add_argument("--payload-output", metavar="FILE", help="keep all that the payload writes (-: stdout)")
    sub.add_argument("--console", action="store_true", help="boot, and show the guest's console on stderr as it comes")
    sub.add_argument("-v", "--verbose", action="store_true", help="show each step, and why KVM is not used")
    sub.add_argument("-q", "--quiet", action="store_true", help="show nothing but the payload's output")
    sub.add_argument("--tape", metavar="FILE", help="write all that happened as JSON Lines")
    add_settings(sub, shipped())
    sub.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    # Until QEMU runs these unwind as Ctrl-C does. What nohup(1) ignored stays ignored.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda number, frame: sys.exit(128 + number))
    return telling(lambda: _warm(args) if args.action == "warm" else _run(args))


def _warm(args: argparse.Namespace) -> int:
    """Save guests that wait for their orders. Ctrl-C leaves those that are saved."""
    qemu = _qemu()
    _settle_topology(args)
    busybox = shutil.which("busybox")
    base = base_of(None if busybox is None else Path(busybox), _say)
    with Outlets(LinuxKernel()) as outlets:
        asked = Asked(outlets.kernel, _nothing)
        for kernel in args.kernels or [None]:
            spec = _machine(args, kernel_of(kernel), qemu).spec(base.archive, timeout=args.timeout)
            entry = warm.entry_of(spec)
            if args.force:
                warm.forget(entry)
            if warm.is_saved(entry):
                print(f"is here    {warm.described(spec)}")
                continue
            began = time.monotonic()
            try:
                failed = warm.make(spec, entry, _say, interrupts=asked, waiter=outlets)
            except warm.NotSaved as error:
                raise ArtifactError(
                    f"{warm.described(spec)}: {error}", "see: scxlife vm run --cold --console"
                ) from error
            if failed is not None:
                print(f"scxlife: error: {warm.described(spec)}: {judge(failed)[1]}", file=sys.stderr)
                return GUEST_FAILED
            size = warm.size_of(entry) / 1e6
            print(f"saved      {warm.described(spec)}: {size:.0f} MB in {time.monotonic() - began:.1f} s")
    return 0


def _qemu() -> Path:
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise ArtifactError("qemu-system-x86_64 is not installed", "run: apt-get install qemu-system-x86")
    return Path(qemu)


def _say(text: str) -> None:
    print(f"scxlife: {text}", file=sys.stderr, flush=True)


def _recipe(
    args: argparse.Namespace,
    taken: Taken,
    machine: Machine,
    terminal: Terminal | None,
    host_files: HostFiles | None,
    gets: list[tuple[str, Path]],
) -> Recipe:
    definition = chosen(args, shipped().with_profile("boot"))
    asked = None
    if args.stage or args.control or args.restart:
        definition = definition.with_profile("operation")
        given = {} if args.restart is None else {"restart": args.restart}
        asked = operations().with_settings(linger=args.control is not None, **given)
    if not taken.payload and args.run_for is None and args.control is None:
        definition = definition.with_settings(run_for=WITHOUT_PAYLOAD)
    directory = None
    with suppress(FileNotFoundError):
        # Where it is gone, relative paths mean nothing in the guest either.
        directory = Path.cwd()
    return Recipe(
        machine,
        taken,
        definition,
        boot_ending(),
        asked,
        setup=args.setup,
        directory=directory,
        timeout=args.timeout,
        # A guest that goes on from where it was saved has no boot to be seen.
        cold=args.cold or args.console,
        terminal=None if terminal is None else terminal.size(),
        host_files=host_files,
        gets=tuple(path for path, _ in gets),
    )


def _settle_topology(args: argparse.Namespace) -> None:
    """Decide how many CPUs there are. Raises UsageError where --topology, --cpus and --memory don't fit together."""
    asked = args.topology
    if asked is None:
        args.cpus = args.cpus or DEFAULT_CPUS
        return
    if args.cpus not in (None, asked.cpus):
        raise UsageError(f"--topology {asked} has {asked.cpus} CPUs, and --cpus says {args.cpus}", "leave --cpus out")
    args.cpus = asked.cpus
    try:
        topology.arguments(asked, asked.cpus, args.memory, tcg=True)
    except topology.TopologyError as error:
        raise UsageError(f"--topology {asked}: {error}", "give it more with --memory") from None


def _machine(args: argparse.Namespace, kernel: Path, qemu: Path) -> Machine:
    chosen_accel = accel.choose(args.accel, qemu=qemu)
    # The last word counts, and "quiet" comes before.
    append = (*args.append, "loglevel=7") if args.console else args.append
    return Machine(kernel, qemu, chosen_accel, args.cpus, args.memory, append, args.topology)


def _described(spec: GuestSpec) -> str:
    """`Linux 7.2.13, 2 CPUs, emulated (no usable KVM here)`"""
    name = spec.kernel.parent.name if spec.kernel.parent.parent == cache_root() / "kernels" else str(spec.kernel)
    return f"Linux {name}, {spec.cpus} CPU{'' if spec.cpus == 1 else 's'}, {spec.accel.described}"


def _with_shell(words: Words) -> Words:
    if words.payload:
        raise UsageError("vm shell takes no payload", f"use: scxlife vm run … -- {shlex.join(words.payload)}")
    if not is_ours():
        raise UsageError("vm shell needs a terminal", "without one, use: scxlife vm run -- COMMAND")
    return attrs.evolve(words, payload=("sh",))


def _nothing(line: object) -> None:
    """With --quiet."""


class Asked:
    """The signals that ask for the end, from now on until the process ends, for the loop to read. Before `begin` the
    first one ends the command: there is no guest yet that could be asked."""

    def __init__(self, kernel: Kernel, say: Callable[[str], object]) -> None:
        self._begun = False
        self._source = SignalSource.of_supervisor(kernel, "interrupt")
        self._source.open()
        self._say = say
        self.count = 0

    def begin(self) -> None:
        """From now on there is a guest to be asked."""
        self._begun = True

    def fileno(self) -> int:
        fd = self._source.fileno()
        assert fd is not None
        return fd

    def take(self) -> list[int]:
        """The numbers of those that came since the last call. Raises SystemExit before `begin`."""
        names = [str(event.data["signal"]) for event in self._source.drain()]
        if names and not self._begun:
            raise SystemExit(interrupts.told(signal.Signals[names[0]]))
        if names and not self.count:
            self._say(f"scxlife: {names[0]}: the guest is asked to end; a second signal ends it at once")
        self.count += len(names)
        return [signal.Signals[name] for name in names]


def _run(args: argparse.Namespace) -> int:
    with Outlets(LinuxKernel()) as outlets:
        return _checked_run(args, outlets)


def _checked_run(args: argparse.Namespace, outlets: Outlets) -> int:
    """Everything that can be refused is refused before anything is written or started."""
    qemu = _qemu()
    _settle_topology(args)
    words = understood(
        args.words,
        args.options,
        scheduler=args.scheduler,
        arguments=args.sched_args,
        no_scheduler=args.no_scheduler,
    )
    shell = args.action == "shell"
    if shell:
        words = _with_shell(words)
    if args.no_scheduler and not words.payload and args.control is None:
        raise UsageError("--no-scheduler: without a payload there is nothing to run: -- COMMAND")
    try:
        scheduler = None if words.scheduler is None else scheduler_of(words.scheduler)
    except NotInstalled as error:
        if args.scheduler is None and words.scheduler and shutil.which(words.scheduler):
            line = f"a payload comes after --: scxlife vm run -- {words.scheduler} …"
            raise UsageError(f"{words.scheduler} is no scheduler that was built", line) from error
        raise
    shared, gets = host_files_of(args), gets_of(args)
    taken = taken_along(args, words, scheduler)
    missing = words.scheduler is not None and scheduler is None
    vmlinuz = Path() if missing else kernel_of(args.kernel)
    with ExitStack() as stack:
        log = stack.enter_context(KeptFile("--log", args.log, outlets, LOG_LIMIT))
        dump = stack.enter_context(KeptFile("--dump", args.dump, outlets))
        kept = stack.enter_context(KeptFile("--payload-output", args.payload_output, outlets))
        ours = outlets.standard(sys.stdout, limit=LIMIT)
        aside = outlets.standard(sys.stderr, limit=LIMIT)
        # With a payload, standard output is the payload's alone.
        taken_up = args.json or taken.payload or any(each.on_stdout for each in (log, dump, kept))
        shown = Shown(aside if taken_up else ours, on_terminal=not args.quiet and os.isatty(2 if taken_up else 1))
        out = shown.line
        told: Callable[[str], object] = _nothing if args.quiet else out
        steps = _nothing if shell and not args.verbose else told
        terminal = stack.enter_context(Terminal()) if taken.payload and not args.json and is_ours() else None
        streams = PayloadStreams(
            aside if args.json else ours,
            aside,
            kept,
            reads=bool(taken.payload),
            terminal=terminal,
            on_start=shown.hold if terminal is not None else partial(shown.status, ""),
            on_end=shown.release,
        )
        stack.callback(streams.close)
        report = Report(args, taken, log, dump, kept, streams, told, out, ours.line if args.json else None)
        if missing:
            reason = f"there is no such command; nothing was touched ({words.scheduler})"
            return report(Attempt(NotConfigured(reason=reason), {}, "", "", (), b""))
        listening = None if args.control is None else ListeningSocket(args.control)
        if listening is not None:
            stack.callback(listening.close)
        tape = stack.enter_context(TapeFile(args.tape, outlets))
        recipe = _recipe(args, taken, _machine(args, vmlinuz, qemu), terminal, shared, gets)
        # It has no name, so nothing of it is left, however this ends.
        orders = stack.enter_context(tempfile.TemporaryFile())
        base = recipe.write(orders, _say)
        spec = recipe.spec(base, orders.fileno(), None if listening is None else listening.socket)
        arriving = Gets(gets)
        stack.callback(arriving.close)
        asked = Asked(outlets.kernel, out)
        told(f"guest: {_described(spec)}")
        if args.verbose:
            told(f"       {spec.accel.reason}")
        shown.status("starting the guest…")
        guest = partial(
            run_in_guest,
            spec,
            cold=recipe.cold,
            gets=arriving,
            say=_nothing if args.quiet else out,
            on_begin=asked.begin,
            interrupts=asked,
            waiter=outlets,
            payload=streams,
            on_log=log.add,
            on_console_line=(lambda line: out(f"console: {line}")) if args.console else None,
        )
        if recipe.operations is not None:
            attempt = _run_as_asked(guest, args.tape, tape, steps, outlets)
        else:
            timeline = Timeline(steps, everything=args.verbose)

            def on_tape(line: str) -> None:
                shown.status(WAITING)
                timeline(line)
                tape(line)

            attempt = guest(on_tape)
        shown.status("")
        streams.close()
        shown.release()
        return report(attempt, interrupted=asked.count > 0)


def _run_as_asked(
    guest: Callable[[OnTape, OnOther], Attempt],
    path: str | None,
    tape: TapeFile,
    write: Callable[[str], object],
    outlets: Outlets,
) -> Attempt:
    """A guest that can be asked: the tape of operations goes to `tape`, that of each life to `path` and its number."""
    timeline, lives = OperationsTimeline(write), LifeTapes(path, write, outlets)

    def on_life(line: str) -> None:
        timeline.life(json.loads(line))
        lives(line)

    def on_other(record: Begins | Lifecycle | OperationsLine) -> None:
        match record:
            case OperationsLine(text):
                timeline.operations(json.loads(text))
                tape(text)
            case Begins(name, run):
                timeline.begins(name, run)
                lives.begins(run)

    try:
        return guest(on_life, on_other)
    finally:
        lives.close()
