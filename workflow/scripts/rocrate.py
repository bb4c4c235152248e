"""Rule rocrate."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.project import PROJECT
    from codetune.report.rocrate import write_crate

    params, outputs = snakemake.params, snakemake.output
    write_crate(PROJECT, params.config, params.engine, outputs.workflow, outputs.metadata)
