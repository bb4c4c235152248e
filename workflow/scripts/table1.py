"""Rule table1."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.papers.declared import read_paper
    from codetune.report.table1 import table1, write_table1

    params, inputs = snakemake.params, snakemake.input
    table = table1(params.runs, params.models, params.methods, inputs.stats, inputs.configs, read_paper(inputs.paper))
    write_table1(table, dict(snakemake.output.items()))
