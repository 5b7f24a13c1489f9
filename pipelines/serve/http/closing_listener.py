"""A listener that is about to close: no further connection begins, and those that have begun can
still be taken.

Closing a listener resets every connection that the system has accepted for it meanwhile. Taking
them all first is not enough: on a busy machine another one comes between the last look and the
close. So the system drops the first packet (SYN) of further connections, by a filter on the socket.
Who sends it again, as TCP does after a second, meets another process or a closed port: an error by
which a client knows that nothing of its request was sent.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress

_ATTACH_FILTER, _DETACH_FILTER = 26, 27
"""SO_ATTACH_FILTER and SO_DETACH_FILTER of Linux (asm-generic/socket.h)."""

_DROP_FIRST_PACKETS = (
    (0x30, 0, 0, 13),  # the byte with TCP's flags
    (0x54, 0, 0, 0x12),  # of these SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone: the next instruction, else the one after it
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # let pass
)
"""A program of classic BPF (code, jump if true, jump if false, operand)."""


def stop_new_connections(listener: socket.socket) -> None:
    """Have the system drop the first packets of new connections; without effect where it cannot."""
    code = b"".join(struct.pack("HBBI", *step) for step in _DROP_FIRST_PACKETS)
    program = ctypes.create_string_buffer(code)
    described = struct.pack("HL", len(_DROP_FIRST_PACKETS), ctypes.addressof(program))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, described)


def allow_new_connections(listener: socket.socket) -> None:
    """Take the filter away: a process that ended may have left it on a listener that goes on."""
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
