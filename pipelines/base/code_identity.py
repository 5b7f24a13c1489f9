"""Which code this is: the commit of the checkout, or the one that an image was built from; and why
it is not known.

git refuses a checkout of another owner unless its configuration calls it safe. We run this very
code already, so that asking git for its commit trusts nobody more: it is told so, for these calls
alone.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT = 12


@dataclass(frozen=True, kw_only=True)
class CodeIdentity:
    """`version`: the commit (12 hex digits), `+dirty` where files differ, `+unchecked` where that
    could not be seen.

    Where nothing is known it is `unknown`; `problem` then says why, and `remedy` what to do.
    """

    version: str
    problem: str = ""
    remedy: str = ""

    @property
    def is_known(self) -> bool:
        """Whether a commit is named."""
        return self.version != UNKNOWN


def identify(checkout: Path, built_from: Path) -> CodeIdentity:
    """The code in that folder; `built_from` is the file in which an image says what it was built
    from.
    """
    if (checkout / ".git").exists():
        try:
            commit = _git(checkout, "rev-parse", f"--short={_SHORT}", "HEAD")
            changed = _git(checkout, "status", "--porcelain", "--untracked-files=no")
            return CodeIdentity(version=f"{commit}+dirty" if changed else commit)
        except (OSError, subprocess.SubprocessError) as error:
            read = _read_commit(checkout)
            if read is not None:
                return CodeIdentity(version=f"{read[:_SHORT]}+unchecked")
            return CodeIdentity(
                version=UNKNOWN,
                problem=f"git does not name the commit of {checkout}: {_said(error)}",
                remedy=f"install git, and let this user read {checkout / '.git'}",
            )
    built_commit = built_from.read_text().strip() if built_from.is_file() else ""
    if built_commit and built_commit != UNKNOWN:
        return CodeIdentity(version=built_commit)
    return CodeIdentity(
        version=UNKNOWN,
        problem=(
            "the image was built without the commit that it is made of"
            if built_commit
            else f"{checkout} is no git checkout"
        ),
        remedy=(
            "build the image with --build-arg CODE_VERSION=$(git rev-parse --short=12 HEAD), or use"
            " a checkout"
        ),
    )


def _git(checkout: Path, *arguments: str) -> str:
    safe = ["-c", f"safe.directory={checkout}", "-c", "core.fsmonitor=false"]
    command = ["git", "--no-optional-locks", *safe, "-C", str(checkout), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, env=environment
    )
    return done.stdout.strip()


def _said(error: Exception) -> str:
    output = getattr(error, "stderr", None) or str(error)
    return " ".join(str(output).split())[:200]


def _read_commit(checkout: Path) -> str | None:
    """The commit as git's files have it, without git; None where they cannot be read."""
    try:
        folder = checkout / ".git"
        if folder.is_file():  # a worktree's
            folder = (checkout / folder.read_text().removeprefix("gitdir:").strip()).resolve()
        head = (folder / "HEAD").read_text().strip()
        name = head.removeprefix("ref:").strip()
        if name == head:
            return head if _COMMIT.fullmatch(head) else None
        common = folder
        if (folder / "commondir").is_file():
            common = (folder / (folder / "commondir").read_text().strip()).resolve()
        if (common / name).is_file():
            commit = (common / name).read_text().strip()
            return commit if _COMMIT.fullmatch(commit) else None
        lines = (common / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)
    except (OSError, IndexError):
        return None
