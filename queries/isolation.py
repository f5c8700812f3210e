"""What a query worker takes from itself before its first question, so that no statement could use it.

The guard and the engine's lock already refuse files, network and programs. This holds if both were wrong: the process
cannot open a socket, start a program, or read and write what is not its workspace's.

Linux only, without a privilege: seccomp (kernel 3.17), Landlock (5.13). Where one is not to be had, `isolate` says so
and the rest still holds. The numbers are those of the kernel's headers; sources: seccomp(2), landlock(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS_SPACE = 8 << 30
"""Bytes of address space a worker may map; engines reserve far more than they use."""

OPEN_FILES = 4096

FILE_SIZE = 4 << 30
"""Bytes of the largest file it may write; an answer's own cap is far below."""

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_ALLOW, _REFUSE, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_FOREIGN_CALLS = 0x4000_0000
"""On x86_64 numbers from here on are those of x32, the same calls by other numbers."""
_CLONE_THREAD = 0x0001_0000

_SYSCALLS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000_003E,
        {
            "socket": 41,
            "socketpair": 53,
            "connect": 42,
            "bind": 49,
            "listen": 50,
            "accept": 43,
            "accept4": 288,
            "fork": 57,
            "vfork": 58,
            "clone": 56,
            "clone3": 435,
            "execve": 59,
            "execveat": 322,
            "kill": 62,
            "tkill": 200,
            "tgkill": 234,
            "rt_sigqueueinfo": 129,
            "rt_tgsigqueueinfo": 297,
            "pidfd_send_signal": 424,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "pidfd_open": 434,
            "pidfd_getfd": 438,
            "io_uring_setup": 425,
            "bpf": 321,
            "mount": 165,
            "umount2": 166,
            "unshare": 272,
            "setns": 308,
            "keyctl": 250,
            "add_key": 248,
            "request_key": 249,
            "perf_event_open": 298,
            "userfaultfd": 323,
        },
    ),
    "aarch64": (
        0xC000_00B7,
        {
            "socket": 198,
            "socketpair": 199,
            "connect": 203,
            "bind": 200,
            "listen": 201,
            "accept": 202,
            "accept4": 242,
            "clone": 220,
            "clone3": 435,
            "execve": 221,
            "execveat": 281,
            "kill": 129,
            "tkill": 130,
            "tgkill": 131,
            "rt_sigqueueinfo": 138,
            "rt_tgsigqueueinfo": 240,
            "pidfd_send_signal": 424,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "pidfd_open": 434,
            "pidfd_getfd": 438,
            "io_uring_setup": 425,
            "bpf": 280,
            "mount": 40,
            "umount2": 39,
            "unshare": 97,
            "setns": 268,
            "keyctl": 219,
            "add_key": 217,
            "request_key": 218,
            "perf_event_open": 241,
            "userfaultfd": 282,
        },
    ),
}
"""Machine -> the kernel's number of its architecture, and the calls that are refused: network, programs, other
processes, and ways around this list."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_REMOVE_FOLDER, _REMOVE_FILE, _MAKE_FOLDER, _MAKE_FILE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_IN_A_FOLDER = _LIST | _MAKE_FILE | _REMOVE_FILE | _MAKE_FOLDER | _REMOVE_FOLDER
_OF_FIRST_ABI = (1 << 13) - 1
_REFER_SINCE, _TRUNCATE_SINCE = 2, 3


def limit_resources() -> None:
    """Bound what the process may take: address space, open files, size of a file, and no core dump."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
    ):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most, most) if hard in (-1, resource.RLIM_INFINITY) else (min(most, hard), hard))


def limit_time(seconds: float) -> None:
    """Let the kernel end the process once it has used so many more seconds of processor time (all threads)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def isolate(readable: Iterable[Path], writable: Iterable[Path], allowed: Iterable[str] = ()) -> list[str]:
    """Take network, programs and foreign files from this process; return in words what could not be taken.

    Args:
        readable: files and folders of its own, beside Python's and the system's.
        writable: files it may write, and folders it may make files and folders in and remove them from.
        allowed: system calls that are left to it, by name; a library may need one to start at all.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    machine = platform.machine()
    missing: list[str] = []
    if sys.platform != "linux" or machine not in _SYSCALLS:
        return [f"no filter of system calls is known for {sys.platform} on {machine}", "no filter of files either"]
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        missing.append(f"privileges could be gained: {os.strerror(ctypes.get_errno())}")
    if fault := _restrict_files(libc, readable, writable):
        missing.append(f"files are not restricted by the kernel (Landlock): {fault}")
    architecture, refused = _SYSCALLS[machine]
    refused = {name: number for name, number in refused.items() if name not in set(allowed)}
    if fault := _restrict_calls(libc, architecture, refused):
        missing.append(f"system calls are not restricted by the kernel (seccomp): {fault}")
    return missing


def _restrict_calls(libc: ctypes.CDLL, architecture: int, refused: dict[str, int]) -> str:
    """Answer these calls with EPERM; `clone` only where it would make a process, `clone3` so that libc uses `clone`."""
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    program += [(_AT_LEAST, 0, 1, _FOREIGN_CALLS), (_RETURN, 0, 0, _REFUSE | errno.EPERM)]
    for name, number in refused.items():
        if name == "clone":
            refusal = [(_LOAD, 0, 0, 16), (_BITS, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _REFUSE | errno.EPERM)]
            program += [(_EQUAL, 0, 5, number), *refusal, (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 0)]
        else:
            code = errno.ENOSYS if name == "clone3" else errno.EPERM
            program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE | code)]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    if libc.prctl(_SET_SECCOMP, _SECCOMP_FILTER, header, 0, 0) != 0:
        return os.strerror(ctypes.get_errno())
    return ""


def _restrict_files(libc: ctypes.CDLL, readable: Iterable[Path], writable: Iterable[Path]) -> str:
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return os.strerror(ctypes.get_errno())
    handled = _OF_FIRST_ABI
    write = _WRITE
    if abi >= _REFER_SINCE:
        handled |= _REFER
    if abi >= _TRUNCATE_SINCE:
        handled |= _TRUNCATE
        write |= _TRUNCATE
    ruleset = libc.syscall(
        _CREATE_RULESET, ctypes.create_string_buffer(struct.pack("Q", handled)), ctypes.c_size_t(8), 0
    )
    if ruleset < 0:
        return os.strerror(ctypes.get_errno())
    try:
        for path in (*_OF_THE_SYSTEM, Path(sys.prefix), Path(sys.base_prefix), *_sources(), *readable):
            _allow(libc, ruleset, path, _READ | _LIST)
        for path in writable:
            _allow(libc, ruleset, path, _READ | write | (_IN_A_FOLDER if path.is_dir() else 0))
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            return os.strerror(ctypes.get_errno())
    finally:
        os.close(ruleset)
    return ""


_OF_THE_SYSTEM = tuple(
    Path(name)
    for name in (
        *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom"),
        *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
        *("/sys/devices/system/cpu", "/sys/fs/cgroup"),  # DuckDB looks how many cores and how much memory there are
    )
)
"""Libraries and facts of the machine; of other processes nothing."""


def _sources() -> list[Path]:
    """Return where the modules that may still be imported come from."""
    packages = Path(__file__).resolve().parent.parent
    return [*(Path(entry) for entry in sys.path if entry), packages / "queries", packages / "warehouse"]


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there cannot be opened either
    try:
        if not path.is_dir():
            rights &= ~_LIST
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor))
        libc.syscall(_ADD_RULE, ruleset, 1, rule, 0)
    finally:
        os.close(descriptor)
