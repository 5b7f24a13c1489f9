"""`python -m pipelines.serve`: what `tollgate serve` does, for `tollgate component scorer` to
become.
"""

from __future__ import annotations

from pipelines.base.settings import Settings
from pipelines.serve.processes.supervisor import serve

if __name__ == "__main__":
    raise SystemExit(serve(Settings.from_environment()))
