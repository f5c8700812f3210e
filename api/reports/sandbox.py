"""What the process that runs a notebook's code takes from itself before it runs any.

`queries.isolation` takes programs, other processes and foreign files. A notebook needs what a query worker does not: it
speaks to the server, and to papermill. So sockets stay, and are bounded here: TCP only, connected to the server's port
only, and none that listens once papermill's own are bound.

The kernel knows ports, not hosts (landlock(7), network rules since ABI 4), so another host's server at this port can be
reached by its address; names cannot be resolved, that takes UDP.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from queries.isolation import isolate, limit_time

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_SIZE = 128 << 20
"""Bytes of the largest file a notebook may write."""

OPEN_FILES = 1024

RESERVED = 2 << 30
"""Bytes that allocators may reserve beyond twice the memory a notebook may use, before the kernel refuses more."""

_SETTLED = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/ssl")
_LOOKS = ("/usr/share/fonts", "/etc/fonts", "/etc/mime.types", "/dev/null", "/dev/urandom", "/dev/shm")  # noqa: S108
_SOCKETS = ("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4")

_PARENT_DEATH, _NO_NEW_PRIVILEGES = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6
_BIND, _CONNECT = 1, 2
_PORT_RULE = 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2

_LOAD, _EQUAL, _AT_LEAST, _BITS, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF_0000, 0x0005_0000 | errno.EPERM, 0x8000_0000
_FOREIGN_CALLS = 0x4000_0000
"""Numbers from here on are those of x32, calls by a second name."""
_FILTER, _ALL_THREADS = 1, 1
_INET, _INET6, _STREAM, _KIND_OF_SOCKET, _TCP, _FAST_OPEN = 2, 10, 1, 0xF, 6, 0x2000_0000

_CALLS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000_003E,
        {"socket": 41, "sendto": 44, "sendmsg": 46, "sendmmsg": 307, "bind": 49, "listen": 50, "seccomp": 317},
    ),
    "aarch64": (
        0xC000_00B7,
        {"socket": 198, "sendto": 206, "sendmsg": 211, "sendmmsg": 269, "bind": 200, "listen": 201, "seccomp": 277},
    ),
}
"""Machine -> the kernel's number of its architecture, and of the calls that are looked at here."""


def end_with_parent() -> None:
    """Let the kernel kill this process when the one that started it ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)


def bound(seconds: float, memory_mb: int) -> None:
    """Let the kernel refuse or end what the supervisor, which looks now and then, would notice late."""
    most = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: FILE_SIZE,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_DATA: 2 * (memory_mb << 20) + RESERVED,
    }
    for kind, size in most.items():
        hard = resource.getrlimit(kind)[1]
        within = size if hard in (-1, resource.RLIM_INFINITY) else min(size, hard)
        resource.setrlimit(kind, (within, within))
    limit_time(seconds * (os.cpu_count() or 1))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an OSError, not the end


def confine(folder: Path, readable: Iterable[Path], server: int, own: Iterable[int]) -> list[str]:
    """Take programs, processes, foreign files and the network from this process; return what could not be taken.

    Only a process that has one thread is confined as a whole.

    Args:
        folder: what it may write.
        readable: files it may read beside Python's, the system's and its folder.
        server: the port it may connect to.
        own: ports it may listen at, until `settle`.
    """
    sys.path[:] = [entry for entry in sys.path if entry and not folder.is_relative_to(Path(entry).resolve())]
    system = [Path(name) for name in (*_SETTLED, *_LOOKS)]
    missing = isolate([*system, *readable], [folder], allowed=_SOCKETS)
    missing += [
        f"the data folder lies in {root}, which a notebook may read"
        for root in (Path("/usr"), Path("/lib"), Path(sys.prefix), Path(sys.base_prefix))
        if folder.is_relative_to(root.resolve())
    ]
    if sys.platform == "linux" and (
        fault := _restrict_ports({server: _CONNECT} | dict.fromkeys(own, _BIND | _CONNECT))
    ):
        missing.append(f"the network is not restricted by the kernel (Landlock): {fault}")
    return missing


def settle() -> list[str]:
    """Leave every thread of this process TCP, and nothing to listen with; return what could not be taken.

    For when all is bound. Of the network Landlock bounds only TCP, and not what is sent while connecting (TCP Fast
    Open, tcp(7)), nor a TCP of several paths or of shared memory.
    """
    if platform.machine() not in _CALLS or sys.platform != "linux":
        return [f"no filter of sockets is known for {sys.platform} on {platform.machine()}"]
    calls = _CALLS[platform.machine()][1]
    sockets = [*_unless(0, (_INET, _INET6)), *_unless(1, (_STREAM,), _KIND_OF_SOCKET), *_unless(2, (0, _TCP))]
    fault = _filter(
        [
            *(_of_call(calls[name], [(_RETURN, 0, 0, _REFUSE)]) for name in ("bind", "listen")),
            _of_call(calls["socket"], sockets),
            _of_call(calls["sendto"], _when(3, _FAST_OPEN)),
            _of_call(calls["sendmsg"], _when(2, _FAST_OPEN)),
            _of_call(calls["sendmmsg"], _when(3, _FAST_OPEN)),
        ]
    )
    return [f"sockets are not restricted by the kernel (seccomp): {fault}"] if fault else []


def _restrict_ports(ports: dict[int, int]) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < _NETWORK_SINCE:
        return os.strerror(ctypes.get_errno()) if abi < 0 else f"version {abi}, needs {_NETWORK_SINCE}"
    scopes = (_ABSTRACT_SOCKETS | _SIGNALS,) if abi >= _SCOPES_SINCE else ()
    handled = struct.pack(f"{2 + len(scopes)}Q", 0, _BIND | _CONNECT, *scopes)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.create_string_buffer(handled), ctypes.c_size_t(len(handled)), 0)
    if ruleset < 0:
        return os.strerror(ctypes.get_errno())
    try:
        for port, rights in ports.items():
            rule = ctypes.create_string_buffer(struct.pack("QQ", rights, port))
            libc.syscall(_ADD_RULE, ruleset, _PORT_RULE, rule, 0)
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            return os.strerror(ctypes.get_errno())
    finally:
        with contextlib.suppress(OSError):
            os.close(ruleset)
    return ""


_Program = list[tuple[int, int, int, int]]


def _of_call(number: int, program: _Program) -> _Program:
    """Return a program that runs only for one system call, and then allows what it did not refuse."""
    inside = [*program, (_RETURN, 0, 0, _ALLOW)]
    return [(_LOAD, 0, 0, 0), (_EQUAL, 0, len(inside), number), *inside]


def _unless(argument: int, values: tuple[int, ...], mask: int = 0xFFFF_FFFF) -> _Program:
    """Refuse unless an argument of the call is one of these."""
    tests = [(_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [(_LOAD, 0, 0, 16 + 8 * argument), (_AND, 0, 0, mask), *tests, (_RETURN, 0, 0, _REFUSE)]


def _when(argument: int, bits: int) -> _Program:
    """Refuse when an argument of the call has one of these bits."""
    return [(_LOAD, 0, 0, 16 + 8 * argument), (_BITS, 0, 1, bits), (_RETURN, 0, 0, _REFUSE)]


def _filter(programs: list[_Program]) -> str:
    """Put programs before every system call of every thread of this process (seccomp(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    architecture, calls = _CALLS[platform.machine()]
    program: _Program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    if platform.machine() == "x86_64":
        program += [(_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, _FOREIGN_CALLS), (_RETURN, 0, 0, _REFUSE)]
    program += [instruction for one in programs for instruction in one]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if libc.syscall(calls["seccomp"], _FILTER, _ALL_THREADS, header) != 0:
        return os.strerror(ctypes.get_errno())
    return ""
