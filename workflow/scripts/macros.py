"""Rule macros."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.macros import write_macros

    write_macros(dict(snakemake.input.items()), snakemake.params.metric, dict(snakemake.output.items()))
