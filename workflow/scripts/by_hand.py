"""Runs the script of one job in this process, where a debugger can follow it: see README.md beside this file."""

import argparse
import os
import runpy
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path

from snakemake.api import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, SnakemakeApi
from snakemake.exceptions import RuleException, WorkflowError
from snakemake.iocontainers import Snakemake

SCRIPTS = Path(__file__).parent


def find_job(target: str, configfiles: list[Path], gpus: int) -> tuple[Path, Snakemake]:
    """The script and the `snakemake` object of the job that makes a file; without a log, so that it writes here."""
    resources = ResourceSettings(cores=os.cpu_count(), resources={"gpu": gpus})
    config = ConfigSettings(configfiles=configfiles)
    with redirect_stdout(None), SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(resources, config, snakefile=SCRIPTS.parents[1] / "Snakefile")
        try:
            workflow.dag(DAGSettings(targets={target}, print_dag_as="dot")).printdag()
        except (RuleException, WorkflowError) as error:
            sys.exit(f"error: {error}")
        (job,) = workflow._workflow.dag.targetjobs
        if not job.rule.script:
            sys.exit(f"error: {target}: rule {job.rule.name} has no script: give the file that you want")
        if missing := [path for path in job.input if not Path(path).exists()]:
            sys.exit(f"error: {target} is made from {missing[0]}, which is not there: let Snakemake make that first")
        values = (job.input, job.output, job.params, job.wildcards, job.threads, job.resources, job.log.__class__())
        script = SCRIPTS / Path(job.rule.script).name
        return script, Snakemake(*values, workflow._workflow.globals["config"], job.rule.name, None, SCRIPTS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="a file that a job makes")
    parser.add_argument("--configfile", nargs="+", type=Path, default=[])
    parser.add_argument("--gpus", type=int, default=0, help="how many to compute on")
    args = parser.parse_args()
    with ProcessPoolExecutor(1) as other:  # the workflow's handlers of signals stay there
        script, job = other.submit(find_job, args.target, args.configfile, args.gpus).result()
    for path in job.output:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    runpy.run_path(str(script), {"snakemake": job}, "__main__")
