"""Rule table."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.table import write_table

    inputs, params, outputs = (dict(part.items()) for part in (snakemake.input, snakemake.params, snakemake.output))
    write_table(snakemake.wildcards.table, inputs, params, outputs)
