# Where the project lies: its code and its own configuration. Data, results and paths in the config belong to the folder
# that Snakemake works in.

import os
import shutil
import sys
from pathlib import Path


def find_project():
    """The project's folder; for a module from a repository, a copy of the project in Snakemake's cache of sources.

    Of such a module Snakemake fetches rules and scripts one by one, and nothing beside them. All other files, the library
    that scripts import among them, have to be asked for by name.
    """
    rules = workflow.current_basedir
    if isinstance(rules, os.PathLike):  # a folder, and not a place in a repository
        return Path(rules).parents[1]
    files = workflow.source_path("../files.txt")
    folder, _, branch = files.rpartition("workflow/files.txt")  # files of a local repository are called name@branch
    project = Path(folder + branch)
    for name in Path(files).read_text().split():
        source = workflow.source_path(f"../../{name}")
        if not (project / name).exists():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, project / name)
    return project


PROJECT = find_project()
SCRIPTS = PROJECT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))  # Snakemake hands it on to the scripts
