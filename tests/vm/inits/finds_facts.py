"""Looks at what the kernel does to sysfs, to its watchers and to its children while the fixture scheduler comes, goes
and comes back, and sends what it saw as one EXIT frame. It asserts nothing: the test does."""

import errno
import json
import os
import select
import signal
import time
import traceback
from contextlib import suppress

from inits.base import mount, open_port, reboot
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.linux.libc import mount as mount_as
from scxlife.platform.sources import uevent
from scxlife.platform.vm import frames

SCX = "/sys/kernel/sched_ext"
ROOT = f"{SCX}/root"
DEVPATH = "/kernel/sched_ext/root"
#: linux/inotify.h. All that can tell of a change, and nothing that reading causes.
ACCESS, MODIFY, ATTRIB, MOVED, CREATE, DELETE, DELETE_SELF = 0x1, 0x2, 0x4, 0xC0, 0x100, 0x200, 0x400
CHANGES = MODIFY | ATTRIB | MOVED | CREATE | DELETE | DELETE_SELF
#: Seconds in which what does not happen would have happened many times over.
PATIENCE = 60.0
SLOW_INIT_MS = 1000

kernel = LinuxKernel()


def read(path: str) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        # ENODEV: kernfs is taking it away at this moment.
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return None
    try:
        return os.read(fd, 4096).decode().strip()
    except OSError as error:
        return os.strerror(error.errno)
    finally:
        os.close(fd)


def error_of_reading(fd: int) -> str | None:
    """The errno's name with which an open file can no longer be read."""
    try:
        os.pread(fd, 4096, 0)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None


def start(*words: str) -> tuple[int, int]:
    null = os.open("/dev/null", os.O_RDWR)
    pid = kernel.spawn("/scheduler", ("scheduler", *words), {}, stdin=null, stdout=null, stderr=null)
    os.close(null)
    return pid, os.pidfd_open(pid)


def until(state: str) -> list[tuple[str | None, str | None]]:
    """Reads over and over until the kernel is in that state. Every pair of `state` and `root/ops` that was read."""
    seen: list[tuple[str | None, str | None]] = []
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        pair = (read(f"{SCX}/state"), read(f"{ROOT}/ops"))
        if not seen or seen[-1] != pair:
            seen.append(pair)
        if pair[0] == state:
            return seen
    raise TimeoutError(f"{state} did not come: {seen}")


def counted(number: str) -> str | None:
    """`enable_seq`, read until it is that number: it is counted up after the uevent, and after `enabled`."""
    deadline = time.monotonic() + PATIENCE
    while read(f"{SCX}/enable_seq") != number and time.monotonic() < deadline:
        pass
    return read(f"{SCX}/enable_seq")


def uevents(fd: int, wanted: str) -> list[dict[str, object]]:
    """What was told of the scheduler up to the uevent that is wanted, and what the files said when it was read."""
    told: list[dict[str, object]] = []
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    while poller.poll(PATIENCE * 1000):
        while (datagram := kernel.uevent_receive(fd)) is not None:
            heard = uevent.parse(datagram)
            if heard.devpath != DEVPATH:
                continue
            told.append(
                {
                    "action": heard.action,
                    "ops": heard.variables.get("SCXOPS"),
                    "state": read(f"{SCX}/state"),
                    "enable_seq": read(f"{SCX}/enable_seq"),
                }
            )
            if heard.action == wanted:
                return told
    raise TimeoutError(f"no {wanted}: {told}")


def ended(pidfd: int) -> dict[str, object]:
    """What is true at the moment at which the pidfd says that the process has ended."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.poll(PATIENCE * 1000)
    facts: dict[str, object] = {"state": read(f"{SCX}/state"), "root": os.path.exists(ROOT)}
    status = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    assert status is not None
    facts["status"] = status.si_status
    return facts


def woken(epoll: select.epoll) -> list[int]:
    """Epoll tells of what has woken it, and, unlike poll, does not look by itself."""
    return [fd for fd, _ in epoll.poll(0)]


def pollpri(fd: int) -> select.epoll:
    epoll = select.epoll()
    epoll.register(fd, select.EPOLLPRI | select.EPOLLERR)
    return epoll


def inotified(fd: int) -> bool:
    with suppress(BlockingIOError):
        return bool(os.read(fd, 4096))
    return False


def watch(path: str, mask: int) -> int:
    fd = kernel.inotify_init()
    kernel.inotify_add_watch(fd, path, mask)
    return fd


def of_watchers() -> dict[str, object]:
    """Does an inotify watch, does a wait for POLLPRI ever wake?"""
    facts: dict[str, object] = {}
    os.mkdir("/tmp/watched")
    control, changes, accesses = watch("/tmp/watched", CREATE), watch(SCX, CHANGES), watch(f"{SCX}/state", ACCESS)
    os.close(os.open("/tmp/watched/file", os.O_CREAT | os.O_WRONLY))
    facts["inotify tells of a file that a process makes"] = inotified(control)

    unread = os.open(f"{SCX}/state", os.O_RDONLY)
    facts["POLLPRI is there before the first read"] = bool(woken(pollpri(unread)))
    state = os.open(f"{SCX}/state", os.O_RDONLY)
    os.pread(state, 4096, 0)
    facts["inotify tells of our own reading"] = inotified(accesses)
    of_state = pollpri(state)

    events = kernel.uevent_socket()
    first, first_fd = start("--slow-init", str(SLOW_INIT_MS))
    facts["seen on the way in"] = until("enabled")
    facts["uevents of the enable"] = uevents(events, "add")
    facts["enable_seq, in the end"] = counted("1")
    inodes = [os.stat(ROOT).st_ino]
    held = os.open(f"{ROOT}/ops", os.O_RDONLY)
    os.pread(held, 4096, 0)
    of_held = pollpri(held)

    os.kill(first, signal.SIGKILL)
    facts["uevents of the disable"] = uevents(events, "remove")
    facts["at the end of a killed one"] = ended(first_fd)
    facts["the held file, after its end"] = error_of_reading(held)
    facts["POLLPRI woke for a file that is gone"] = bool(woken(of_held))
    poller = select.poll()
    poller.register(held, select.POLLPRI)
    facts["asked anew, a file that is gone answers"] = bool(poller.poll(0))

    second, second_fd = start()
    until("enabled")
    uevents(events, "add")
    inodes.append(os.stat(ROOT).st_ino)
    facts["the same name"] = read(f"{ROOT}/ops")
    facts["the held file, while the same name is back"] = error_of_reading(held)
    os.kill(second, signal.SIGTERM)
    uevents(events, "remove")
    facts["at the end of one that was asked"] = ended(second_fd)
    facts["inodes"] = inodes
    facts["POLLPRI woke for the state"] = bool(woken(of_state))
    facts["inotify woke for sched_ext"] = inotified(changes)
    return facts


def links() -> list[int]:
    """The numbers of all BPF links."""
    found: list[int] = []
    while (number := kernel.bpf_next_link(found[-1] if found else 0)) is not None:
        found.append(number)
    return found


def links_held(pid: int) -> int:
    """How many BPF links are among its descriptors."""
    names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return sum("bpf_link" in name or "bpf-link" in name for name in names)


def of_a_failed_enable() -> dict[str, object]:
    events = kernel.uevent_socket()
    before, links_before = read(f"{SCX}/enable_seq"), links()
    process, process_fd = start("--fail-init", "22", "--slow-init", "300", "--linger")
    on_the_way = until("enabling")
    new, held = [number for number in links() if number not in links_before], links_held(process)
    until("disabled")
    facts: dict[str, object] = {"seen": on_the_way, "alive": not select.select([process_fd], [], [], 0)[0]}
    os.kill(process, signal.SIGTERM)
    ended(process_fd)
    told = []
    while (datagram := kernel.uevent_receive(events)) is not None:
        told.append(uevent.parse(datagram).devpath)
    facts["uevents"] = told.count(DEVPATH)
    facts["enable_seq"] = [before, read(f"{SCX}/enable_seq")]
    facts["links while enabling"] = {"new": len(new), "newest": min(new, default=0) > max(links_before, default=0)}
    facts["links held while enabling"] = held
    return facts


def of_a_killed_enable() -> dict[str, object]:
    """Is whoever enables a scheduler alive for as long as that takes, killed or not?"""
    process, process_fd = start("--slow-init", str(SLOW_INIT_MS))
    until("enabling")
    os.kill(process, signal.SIGKILL)
    looks = dead = 0
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        over = bool(select.select([process_fd], [], [], 0)[0])
        # Behind the look at the process: who is dead by now was so while the kernel was still enabling.
        if read(f"{SCX}/state") != "enabling":
            return {"looks": looks, "dead while enabling": dead, "at its end": ended(process_fd)}
        looks += 1
        dead += over
    raise TimeoutError(f"enabling without end: {looks} looks")


def of_a_cgroup() -> dict[str, object]:
    """Killed, deserted and removed before its process was reaped?"""
    os.mkdir("/tmp/cgroup")
    mount_as("cgroup2", "/tmp/cgroup", "cgroup2", 0, "")
    os.mkdir("/tmp/cgroup/one")
    pid, pidfd = start("--die-before-attach", "3600000")
    with open("/tmp/cgroup/one/cgroup.procs", "w") as procs:
        procs.write(str(pid))
    with open("/tmp/cgroup/one/cgroup.kill", "w") as kill:
        kill.write("1")
    select.select([pidfd], [], [], PATIENCE)
    facts: dict[str, object] = {"events": read("/tmp/cgroup/one/cgroup.events")}
    os.rmdir("/tmp/cgroup/one")
    zombie = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    facts["zombie"] = None if zombie is None else zombie.si_status
    return facts


def main() -> None:
    port = open_port()
    mount("tmpfs", "/tmp")
    try:
        facts: dict[str, object] = {
            "watchers": of_watchers(),
            "failed enable": of_a_failed_enable(),
            "killed enable": of_a_killed_enable(),
            "cgroup": of_a_cgroup(),
        }
    except Exception as error:
        facts = {"error": "".join(traceback.format_exception(error))}
    port.send(frames.EXIT, json.dumps(facts).encode())
    port.finish(20.0)
    reboot()
