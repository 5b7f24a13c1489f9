"""A command called as it is typed, in this process."""

from __future__ import annotations

import pytest

from pipelines.cli.main import main


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `tollgate ARGUMENTS`."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    output = capsys.readouterr()
    return int(caught.value.code or 0), output.out, output.err
