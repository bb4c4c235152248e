"""The C compiler, which Triton calls when a kernel first runs on a GPU."""

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from codetune.base.errors import StudyError

PROGRAM = "#include <stdbool.h>\n#include <dlfcn.h>\n#include <Python.h>\n"  # headers that Triton's own code includes
REMEDY = (
    "Install one with Python's headers (Debian: gcc and python3-dev; conda-forge: c-compiler), or name it in "
    "the variable CC."
)


def check_c_compiler() -> None:
    """Compiles a few lines as Triton 3.7 would: with the compiler in CC, else gcc, else clang.

    Raises:
        StudyError: There is no compiler, or it compiles no Python extension.
    """
    named = os.environ.get("CC")
    found = [shutil.which(name) for name in ([named] if named is not None else ["gcc", "clang"])]
    compiler = next((path for path in found if path), None)
    if compiler is None:
        which = f"CC names '{named}', which is no program" if named is not None else "there is no gcc and no clang"
        raise StudyError(f"torch compiles kernels for the GPU with a C compiler, and {which}. {REMEDY}")
    headers = sysconfig.get_paths(scheme="posix_prefix")["include"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.c"
        source.write_text(PROGRAM)
        command = [compiler, str(source), "-shared", "-fPIC", f"-I{headers}", "-o", f"{folder}/kernel.so"]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        except OSError as error:
            raise StudyError(f"torch's C compiler {compiler} cannot be started ({error.strerror}). {REMEDY}") from error
    if done.returncode != 0:
        said = (
            [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no message"]
        )
        raise StudyError(
            f"torch compiles kernels for the GPU with a C compiler, and {compiler} fails ({said[0].strip()}). {REMEDY}"
        )
