"""Derives scores, comparisons and Table 2 anew from the predictions and compares: see `make check-results`.

Usage: python workflow/scripts/check_results.py config/config.yaml [overlay ...]

To be run with PYTHONHASHSEED=0, as the workflow runs its jobs: codebleu depends on it.
"""

import sys
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.text import printable
from codetune.report.checking import check_results
from codetune.study.configfiles import check_config_files
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

config = {}
try:
    check_config_files(sys.argv[1:])
    for path in sys.argv[1:]:
        update_config(config, load_configfile(path))
    findings = check_results(Path(config.get("results", "results")), config)
except (StudyError, WorkflowError) as error:
    sys.exit(f"error: {printable(str(error))}")
if findings.problems:
    problems = map(printable, findings.problems)
    sys.exit("\n".join(["error: the results do not follow from the predictions:", *problems]))
print(f"{findings.compared} numbers derived anew from the predictions: all equal")
