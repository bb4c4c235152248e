"""Rule sandbox."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.execution.prepare import prepare_sandbox

    prepare_sandbox(snakemake.output[0])
