"""Derives Table 2 anew from the predictions and compares: see `make check-results`.

To be run with PYTHONHASHSEED=0, as the workflow runs its jobs: codebleu depends on it.
"""

import sys
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.report.checking import check_results

try:
    compared, problems = check_results(Path(sys.argv[1]))
except StudyError as error:
    sys.exit(f"error: {error}")
if problems:
    sys.exit("\n".join(["error: Table 2 does not follow from the predictions:", *problems]))
print(f"{compared} numbers of Table 2 derived anew from the predictions: all equal")
