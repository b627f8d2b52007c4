"""`scxlife vm run`: one scheduler in a guest whose PID 1 is our init."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.commands.problems import telling
from scxlife.lifecycle.control.protocol import check_name
from scxlife.lifecycle.duration_option import duration
from scxlife.lifecycle.guest_records import Begins, Lifecycle, OperationsLine
from scxlife.lifecycle.guest_run import GUEST_FAILED, Attempt, run_in_guest
from scxlife.lifecycle.operations.life_tapes import LifeTapes
from scxlife.lifecycle.operations.restart_policy import POLICIES
from scxlife.lifecycle.operations.timeline import OperationsTimeline
from scxlife.lifecycle.options import add_settings, boot_ending, chosen, operations, shipped
from scxlife.lifecycle.outcomes import GUEST_FAILED as GUEST_FAILED_STATUS
from scxlife.lifecycle.outcomes import PAYLOAD_FAILED, NotConfigured, Outcome
from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.report import print_json, say_outcome
from scxlife.lifecycle.tapefile import TapeFile
from scxlife.lifecycle.timeline import Timeline
from scxlife.lifecycle.usage import UsageError
from scxlife.platform.vm import accel, image, kernels, schedulers
from scxlife.platform.vm.cache import ArtifactError
from scxlife.platform.vm.elf import ElfError
from scxlife.platform.vm.guest import GuestSpec

SUMMARY = "run a scheduler in a guest with a sched_ext kernel"
ENTRY = "scxlife.lifecycle.init"
# What asks PID 1 in a guest where it can be asked.
CONTROL = "scxlife.lifecycle.guest_control"
# What init imports only when it comes to it.
LAZY = (
    "shlex",
    "traceback",
    "scxlife.lifecycle.arguments_file",
    "scxlife.lifecycle.console",
    "scxlife.lifecycle.guest_control",
    "scxlife.lifecycle.guest_operations",
    "scxlife.lifecycle.link_keepers",
    "scxlife.lifecycle.output_markers",
    "scxlife.lifecycle.verifier_log",
    "scxlife.platform.linux.fork",
    "scxlife.platform.linux.libc",
    "scxlife.platform.sources.assume_ready",
    "scxlife.platform.sources.kernel_log",
    "scxlife.platform.sources.log_size",
    "scxlife.platform.sources.signals",
    "scxlife.platform.sources.unwatched",
)

NEWLINE = b"\n"
# Seconds that a scheduler runs when there is neither a payload nor --for: enough to see that it stays attached.
WITHOUT_PAYLOAD = 2.0

EPILOG_RUN = """examples:
  scxlife vm run --scheduler scx_simple -- sleep 3
  scxlife vm run --scheduler ./scx_mine --sched-args "-s 20000" --cpus 4 -- sh -c 'stress & sleep 5'
  scxlife vm run --scheduler scx_simple --for 2s --json
  scxlife vm run --no-scheduler -- ./benchmark       the same payload on the kernel's own scheduler
  scxlife vm run --stage b=scx_flatcg -- sh -c 'sleep 1; scxlife ctl replace b; sleep 1; scxlife ctl status'
  scxlife vm run --control /tmp/guest.sock --stage b=scx_flatcg     and then: scxlife ctl --control /tmp/guest.sock …

A NAME is looked up among what `scxlife schedulers build` made; the kernel is the newest of `scxlife kernel list`
unless --kernel names one. The payload finds busybox's tools in the guest; its own program is
taken along. Without a payload and --for, the scheduler is stopped 2 s after it attached.

exit codes: as `scxlife run --help` tells, and
  1    the payload failed (its status is in the JSON)
  15   the guest itself failed: panic, hang, out of memory, cut off"""


def size(text: str) -> int:
    """An argparse type: bytes, from a number with K, M or G."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    number, unit = (text[:-1], text[-1:].upper()) if text[-1:].upper() in units else (text, "M")
    if not number.isdigit() or not 0 < int(number) * units[unit] < 1 << 50:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write a number with K, M or G, such as 512M")
    return int(number) * units[unit]


def positive(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 255:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of CPUs from 1 to 255 is wanted")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sub = actions.add_parser(
        "run", help=SUMMARY, epilog=EPILOG_RUN, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sub.usage = "scxlife vm run [options] [-- PAYLOAD …]"
    sub.add_argument("--scheduler", default="scx_simple", metavar="NAME|PATH", help="default: %(default)s")
    sub.add_argument("--no-scheduler", action="store_true", help="run the payload on the kernel's own scheduler")
    sub.add_argument("--sched-args", default="", metavar='"…"', help="its arguments, split as a shell would")
    sub.add_argument("--kernel", metavar="VMLINUZ", help="a kernel image, or a version of the cache")
    sub.add_argument("--accel", choices=("auto", "kvm", "tcg"), default="auto", help="default: KVM if it works")
    sub.add_argument("--cpus", type=positive, default=2, metavar="N", help="default: %(default)s")
    sub.add_argument("--memory", type=size, default=512 << 20, metavar="SIZE", help="default: 512M")
    sub.add_argument("--timeout", type=duration, default=120.0, metavar="S", help="for the whole guest; default: 120s")
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
    sub.add_argument("--setup", default="", metavar="COMMAND", help="a shell command to run before the scheduler")
    sub.add_argument("--add", action="append", default=[], metavar="FILE", help="take FILE along, at the same path")
    sub.add_argument("--append", default="", metavar="WORDS", help="more words for the kernel's command line")
    sub.add_argument("--log", metavar="FILE", help="keep the scheduler's log, the last 4 MiB of it")
    sub.add_argument("--dump", metavar="FILE", help="keep what the kernel dumped when it ejected the scheduler")
    sub.add_argument("--tape", metavar="FILE", help="write all that happened as JSON Lines")
    sub.add_argument("--json", action="store_true", help="print the outcome as one object, the last line of stdout")
    add_settings(sub, shipped())
    sub.add_argument("payload", nargs="*", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    # SIGTERM unwinds as Ctrl-C does, so that QEMU is stopped and the image removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    return telling(lambda: _run(args))


def _scheduler(name: str) -> Path | None:
    """The scheduler's program; None when a path was given and nothing is there."""
    if "/" not in name:
        return schedulers.find(name)
    if Path(name).is_dir():
        raise ArtifactError(f"{name} is a directory", "give the path of a program, or a NAME that was built")
    return Path(name) if Path(name).exists() else None


def _kernel(name: str | None) -> Path:
    if name is not None and "/" in name:
        if not Path(name).is_file():
            raise ArtifactError(f"no kernel at {name}", "run: scxlife kernel fetch")
        return Path(name)
    return kernels.find(name).vmlinuz


def _staged(args: argparse.Namespace) -> tuple[image.Staged, ...]:
    """What `--stage NAME=SCHEDULER [ARG…]` takes along."""
    found: dict[str, image.Staged] = {}
    for text in args.stage:
        name, _, rest = text.partition("=")
        words = rest.split(None, 1)
        try:
            check_name(name)
        except ValueError as error:
            raise UsageError(f"--stage {text!r}: {error}") from None
        if not words:
            raise UsageError(f"--stage {text!r}: use NAME=SCHEDULER or 'NAME=SCHEDULER ARG…'")
        if name in found:
            raise UsageError(f"--stage {name}: there is another one of that name")
        program = _scheduler(words[0])
        if program is None:
            raise UsageError(f"--stage {text!r}: no scheduler {words[0]}")
        found[name] = image.Staged(name, program, "".join(words[1:]))
    return tuple(found.values())


def _say(text: str) -> None:
    print(f"scxlife: {text}", file=sys.stderr, flush=True)


def _initrd(args: argparse.Namespace, scheduler: Path | None, target: Path) -> None:
    found = shutil.which("busybox")
    busybox = None if found is None else Path(found)
    programs = []
    if args.payload and "/" not in args.payload[0]:
        if busybox is None or args.payload[0] not in image.applets(busybox):
            program = shutil.which(args.payload[0])
            if program is None:
                raise ArtifactError(f"no payload program {args.payload[0]!r}", "give its path")
            args.payload[0] = program
            programs.append(Path(program))
    elif args.payload and Path(args.payload[0]).is_file():
        programs.append(Path(args.payload[0]))
    files = []
    for name in args.add:
        if not Path(name).is_file():
            raise ArtifactError(f"no file {name} to take along", "give the path of a file of this host")
        files.append((Path(name), str(Path(name).absolute())))
    config: dict[str, object] = {"payload": args.payload, "setup": args.setup}
    definition = chosen(args, shipped().with_profile("boot"))
    machine, staged = b"", _staged(args)
    if staged or args.control or args.restart:
        boot = None if scheduler is None else scheduler.name
        if boot is not None:
            try:
                check_name(boot)
            except ValueError as error:
                raise UsageError(f"--scheduler {args.scheduler}: {error}") from None
        if boot is not None and boot in (each.name for each in staged):
            raise UsageError(f"--stage {boot}: the boot's own scheduler has that name")
        config["operations"] = {"boot": boot, "staged": [each.name for each in staged]}
        definition = definition.with_profile("operation")
        given = {} if args.restart is None else {"restart": args.restart}
        machine = freeze(operations().with_settings(linger=args.control is not None, **given))
    if not args.payload and args.run_for is None and args.control is None:
        definition = definition.with_settings(run_for=WITHOUT_PAYLOAD)
    try:
        base = image.build_base(entry=ENTRY, modules=LAZY, busybox=busybox, waiting=_say)
        additions = image.Run(
            config=json.dumps(config).encode(),
            definition=freeze(definition),
            boot=freeze(boot_ending()),
            operations=machine,
            control=CONTROL if machine else None,
            staged=staged,
            scheduler=scheduler,
            scheduler_args=args.sched_args,
            programs=tuple(programs),
            files=tuple(files),
        )
        image.build_run(base, additions, target)
    except (image.ImageError, ElfError) as error:
        raise ArtifactError(f"the guest's image can't be built: {error}", "see scxlife vm run --help") from error


def _run(args: argparse.Namespace) -> int:
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise ArtifactError("qemu-system-x86_64 is not installed", "run: apt-get install qemu-system-x86")
    out = sys.stderr if args.json else sys.stdout

    def write(line: str) -> None:
        # What a guest and QEMU say must not act on the terminal, in whichever line it is quoted.
        print(plain(line), file=out, flush=True)

    scheduler = None if args.no_scheduler else _scheduler(args.scheduler)
    if args.no_scheduler and not args.payload and args.control is None:
        raise UsageError("--no-scheduler: without a payload there is nothing to run: -- COMMAND")
    if scheduler is None and not args.no_scheduler:
        missing = NotConfigured(reason=f"there is no such command; nothing was touched ({args.scheduler})")
        return _report(args, Attempt(missing, {}, "", "", (), b"", b""), write)
    timeline = Timeline(write)
    with ExitStack() as stack:
        tape = stack.enter_context(TapeFile(args.tape))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scxlife-")))
        _initrd(args, scheduler, folder / "initrd")
        chosen_accel = accel.choose(args.accel, qemu=Path(qemu))
        spec = GuestSpec(
            kernel=_kernel(args.kernel),
            initrd=folder / "initrd",
            accel=chosen_accel,
            qemu=Path(qemu),
            cpus=args.cpus,
            memory=args.memory,
            timeout=args.timeout,
            append=tuple(args.append.split()),
            control=None if args.control is None else _control(args.control),
        )
        write(f"guest: {spec.kernel.parent.name}, {args.cpus} CPUs, {chosen_accel.name} ({chosen_accel.reason})")

        if args.stage or args.control or args.restart:
            attempt = _run_as_asked(spec, args.tape, tape, write)
        else:

            def on_tape(line: str) -> None:
                timeline(line)
                tape(line)

            attempt = run_in_guest(spec, on_tape)
    return _report(args, attempt, write)


def _run_as_asked(spec: GuestSpec, path: str | None, tape: TapeFile, write: Callable[[str], object]) -> Attempt:
    """A guest that can be asked: the tape of operations goes to `tape`, that of each life to `path` and its number."""
    timeline, lives = OperationsTimeline(write), LifeTapes(path, write)

    def on_life(line: str) -> None:
        timeline.life(line)
        lives(line)

    def on_other(record: Begins | Lifecycle | OperationsLine) -> None:
        match record:
            case OperationsLine(text):
                timeline.operations(text)
                tape(text)
            case Begins(name, run):
                timeline.begins(name, run)
                lives.begins(run)

    try:
        return run_in_guest(spec, on_life, on_other)
    finally:
        lives.close()


def _control(path: str) -> Path:
    """Where QEMU is to listen. It would take the place of whatever is there."""
    if Path(path).exists():
        raise UsageError(f"--control {path}: there is something already: choose another path")
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--control {path}: there is no such folder: make it first")
    return Path(path).absolute()


def _report(args: argparse.Namespace, attempt: Attempt, write: Callable[[str], object]) -> int:
    if args.log is not None:
        Path(args.log).write_bytes(attempt.log)
    dump = b"".join(attempt.probes.values())
    if args.dump is not None:
        Path(args.dump).write_bytes(dump)
    if attempt.payload_output:
        write("")
        write("payload's output:")
        for line in attempt.output_lines():
            write(f"  {line}")
    if attempt.outcome is None:
        write("")
        write(f"outcome    {GUEST_FAILED}: {attempt.failure}: {attempt.reason}")
        for what in attempt.degraded:
            write(f"degraded   {what}")
        write("the console's last lines:")
        for line in attempt.console_tail[-20:]:
            write(f"  {line}")
        if args.json:
            definition = shipped()
            print_json(
                Outcome(reason=attempt.reason, degraded=attempt.degraded),
                f"{definition.name} {definition.version}",
                outcome=GUEST_FAILED,
                guest=attempt.failure,
                console_tail=list(attempt.console_tail),
                log_tail=attempt.log[-16384:].decode("utf-8", "replace"),
            )
        return GUEST_FAILED_STATUS
    outcome = attempt.outcome
    say_outcome(outcome, write, log_path=args.log)
    if outcome.status == 0:
        for what in attempt.degraded:
            write(f"degraded   {what}")
    if dump:
        kept = args.dump or "not kept: --dump FILE keeps it"
        write(f"dump       {dump.count(NEWLINE)} lines of the kernel's; {kept}")
    if args.json:
        definition = shipped()
        print_json(outcome, f"{definition.name} {definition.version}", kernel=attempt.kernel)
    payload_failed = bool(args.payload) and (outcome.payload or {}).get("exit") != {"code": 0}
    status = 0 if args.no_scheduler else outcome.status
    return PAYLOAD_FAILED if status == 0 and payload_failed else status
