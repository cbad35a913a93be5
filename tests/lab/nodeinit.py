"""The first process of a node: makes the node's namespaces and files, then reaps until its lifeline closes.

Run as `python -I -S nodeinit.py full|thin HOSTNAME` by root. It prints `pid N` (as the caller sees it), then
`ready`. The node lives as long as standard input is open, so that a test run that dies takes its nodes with it.
Nothing here changes the caller's machine: all mounts are in a private mount namespace.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise OSError for a failed call into the C library."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount, as mount(2)."""
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode())
    check(result, f"mount {kind or source} on {target}")


def private_root() -> None:
    """Move to a copy-on-write view of the whole machine that vanishes with this node."""
    mount("tmpfs", "/mnt", "tmpfs")
    root = "/mnt/root"
    for name in ("root", "upper", "work"):
        Path("/mnt", name).mkdir()
    mount("overlay", root, "overlay", 0, "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work")
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", f"{root}/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("/dev", f"{root}/dev", "", MS_BIND | MS_REC)
    mount("devpts", f"{root}/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5")
    if Path(root, "dev/shm").is_dir():
        mount("tmpfs", f"{root}/dev/shm", "tmpfs")
    mount("tmpfs", f"{root}/run", "tmpfs", 0, "mode=755")
    mount("tmpfs", f"{root}/tmp", "tmpfs", 0, "mode=1777")
    checkout = Path(__file__).resolve().parents[2]
    if checkout.is_relative_to("/tmp"):  # a checkout that lies there is seen in every machine
        Path(f"{root}{checkout}").mkdir(parents=True)
        mount(str(checkout), f"{root}{checkout}", "", MS_BIND)
    for name in ("sshd", "lock", "dbus"):
        Path(root, "run", name).mkdir()
    os.chdir(root)
    Path(".before").mkdir()
    syscall_pivot_root(".", ".before")
    os.chdir("/")
    check(_libc.umount2(b"/.before", MNT_DETACH), "umount2")
    Path("/.before").rmdir()


def syscall_pivot_root(new: str, old: str) -> None:
    """Make `new` the root; glibc has no wrapper of a stable name, so it goes by number."""
    numbers = {"x86_64": 155, "aarch64": 41}
    machine = os.uname().machine
    check(_libc.syscall(numbers[machine], new.encode(), old.encode()), "pivot_root")


def own_files(hostname: str) -> None:
    """Take away what belongs to the machine's owner, and give the node its own name."""
    for name in ("root/.ssh", "root/.bashrc", "root/.profile", "root/.bash_profile", ".dockerenv"):
        remove(Path("/", name))
    Path("/etc/hostname").write_text(f"{hostname}\n")
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {hostname}\n")
    resolver = Path("/etc/resolv.conf")
    if resolver.is_symlink():
        resolver.unlink()
    # A nameserver that swallows questions would cost seconds per SSH login.
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")


def remove(path: Path) -> None:
    """Delete a file or a directory with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            remove(child)
        path.rmdir()
    elif path.is_symlink() or path.exists():
        path.unlink()


def thin_files() -> None:
    """Keep the machine's files, but see this node's processes and ask no nameserver."""
    mount("tmpfs", "/mnt", "tmpfs")
    Path("/mnt/resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    mount("/mnt/resolv.conf", str(Path("/etc/resolv.conf").resolve()), "", MS_BIND)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if Path("/root/.ssh").is_dir():
        # OpenSSH takes root's home from the password file, whatever HOME says: it must not write there.
        mount("tmpfs", "/root/.ssh", "tmpfs", 0, "mode=700")


def reap(*_: object) -> None:
    """Collect every child that ended: all orphans of the node come to its first process."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def close_output() -> None:
    """Let the caller see the end of the output; later complaints have no reader."""
    nowhere = os.open("/dev/null", os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def first_process(kind: str, hostname: str) -> None:
    """Be pid 1: set up, say so, and live until the lifeline closes."""
    Path("/proc/self/comm").write_text(
        "init"
    )  # as on a machine: an application's container has another first process
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    check(_libc.sethostname(hostname.encode(), len(hostname)), "sethostname")
    if kind == "full":
        private_root()
        own_files(hostname)
    else:
        thin_files()
    signal.signal(signal.SIGCHLD, reap)
    os.write(1, b"ready\n")
    close_output()
    while os.read(0, 64):
        pass


def main() -> int:
    """Make the namespaces, start pid 1 in them, and wait for its end."""
    kind, hostname = sys.argv[1:3]
    os.setsid()  # an interrupt from the terminal is for the tests, which then end the nodes in order
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    check(_libc.unshare(flags), "unshare")
    child = os.fork()
    if child == 0:
        try:
            first_process(kind, hostname)
        except (OSError, KeyError):
            traceback.print_exc()
        finally:
            os._exit(0)
    os.write(1, f"pid {child}\n".encode())
    close_output()
    os.close(0)  # only pid 1 may hold the lifeline
    os.waitpid(child, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
