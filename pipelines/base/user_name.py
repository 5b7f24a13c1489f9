"""The name of the user that we run as: Java and Airflow need one, and a container's arbitrary user
id has none.
"""

from __future__ import annotations

import os
import pwd

from pipelines.base.errors import ConfigurationError


def user_name() -> str | None:
    """The user's name as the system knows it, None for an id without one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None


WAY_OUT = (
    "add a line for the id to /etc/passwd (in a container: mount one, or run as a user of the"
    " image), or preload libnss_wrapper.so (LD_PRELOAD, NSS_WRAPPER_PASSWD, NSS_WRAPPER_GROUP)"
)
"""What to do about an id without a name."""


def require_user_name(needed_by: str) -> str:
    """The user's name; raises `ConfigurationError` where there is none.

    Hadoop, within Spark, asks the system and nobody else: no variable or option of Java is in its
    place.
    """
    name = user_name()
    if name is None:
        raise ConfigurationError(
            f"{needed_by} cannot run as a user without a name",
            where="the system's list of users (/etc/passwd)",
            expected=f"a name for user id {os.getuid()}",
            found="none",
            next_step=WAY_OUT,
            runbook="docs/runbooks/services.md",
        )
    return name
