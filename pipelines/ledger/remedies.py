"""What helps against an error of the ledger's database, by what SQLite or PostgreSQL says of it."""

from __future__ import annotations

_REMEDIES = (
    (
        ("database is locked", "database table is locked"),
        "another process is writing to it: wait until it is done",
    ),
    (("disk is full", "no space left", "disk full"), "make room there"),
    (
        ("readonly", "read-only", "permission denied"),
        "let this user write there (owner, mode, rights)",
    ),
    (("password", "authentication", "role "), "correct user and password in TOLLGATE_LEDGER"),
    (
        ("too many clients", "remaining connection slots", "too many connections"),
        "wait, or let the server take more",
    ),
    (
        ("could not translate host", "name or service", "name resolution"),
        "correct the host in TOLLGATE_LEDGER",
    ),
)


def remedy(problem: str) -> str:
    """What to do, as a clause; `problem` is the database's own message."""
    low = problem.lower()
    for signs, advice in _REMEDIES:
        if any(sign in low for sign in signs):
            return advice
    return "check that its folder or server is there and has room"
