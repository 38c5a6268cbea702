"""`python -m python_sandbox_server.server_fastmcp`: becomes `vivarium serve`.

The arguments are passed on. The executable is the one this package was installed or built with;
only then the one on PATH.
"""

import os
import shutil
import sys
from pathlib import Path


def executable() -> str:
    here = Path(__file__).resolve()
    tree = here.parents[3]
    candidates = []
    if (tree / "meson.build").is_file():
        candidates.append(tree / "build" / "vivarium")
    candidates += [parent / "bin" / "vivarium" for parent in here.parents]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and candidate.is_file():
            return str(candidate)
    found = shutil.which("vivarium")
    if found is None:
        sys.exit("vivarium is not installed: run `make install` or `make dev-install` in its source tree")
    return found


def main() -> None:
    path = executable()
    os.execv(path, [path, "serve", *sys.argv[1:]])


if __name__ == "__main__":
    main()
