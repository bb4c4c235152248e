# Finds the project's folder, which holds its sources and its own configuration. Data, results and paths in the config
# are relative to Snakemake's working directory instead.

import os
import shutil
import sys
from pathlib import Path


def find_project():
    """Returns the project's folder; for a module from a repository, a copy of the project in Snakemake's source cache.

    Snakemake fetches the rules and scripts of such a module one by one, and nothing else. All other files, also those
    of the package codetune, have to be requested by name.
    """
    rules = workflow.current_basedir
    if isinstance(rules, os.PathLike):  # a local folder, not a repository
        return Path(rules).parents[1]
    files = workflow.source_path("../files.txt")
    folder, _, branch = files.rpartition("workflow/files.txt")  # names of files in a local repository end in @branch
    project = Path(folder + branch)
    for name in Path(files).read_text().split():
        source = workflow.source_path(f"../../{name}")
        if not (project / name).exists():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, project / name)
    return project


PROJECT = find_project()
SCRIPTS = PROJECT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))  # Snakemake passes the path on to the scripts

from codetune.base.errors import StudyError
from codetune.study.configfiles import check_config_files

# Of a key that a file gives twice, Snakemake takes the last without a word. It also stops with a traceback at a file
# that is not UTF-8, for example; here that is prevented for the project's own.
try:
    check_config_files([*workflow.configfiles, PROJECT / "config" / "config.yaml"])
except StudyError as error:
    sys.exit(f"error: {error}")
