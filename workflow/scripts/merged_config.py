"""A study's config for scripts that Snakemake does not start: `check_results.py`, `watch.py`."""

import copy
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.study.configfiles import check_config_files
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config


def merged_config(paths):
    """Merges config files as Snakemake does: the overlays into one another, and then over the first file.

    The order of keys is Snakemake's, too: those of the overlays come first.

    Args:
        paths: The study's own config, then overlays in the order in which Snakemake gets them.

    Raises:
        StudyError: A path is a folder, or a file is not a config.
    """
    if folders := [path for path in paths if Path(path).is_dir()]:
        raise StudyError(f"{folders[0]}: a folder. Name the study's config files: config/config.yaml, then overlays.")
    check_config_files(paths)
    own, *overlays = map(load_configfile, paths)
    given = {}
    for overlay in overlays:
        update_config(given, overlay)
    config = copy.deepcopy(given)
    update_config(config, own)
    update_config(config, given)
    return config
