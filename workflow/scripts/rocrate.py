"""Rule rocrate."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.rocrate import write_crate

    params, outputs = snakemake.params, snakemake.output
    write_crate(params.project, params.config, params.engine, outputs.workflow, outputs.metadata)
