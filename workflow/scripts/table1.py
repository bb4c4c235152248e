"""Rule table1."""

from codetune.jobs import job

with job(snakemake):
    from codetune.tables import read_paper, table1, write_table1

    params, inputs = snakemake.params, snakemake.input
    table = table1(params.runs, params.models, params.methods, inputs.stats, inputs.configs, read_paper(inputs.paper))
    write_table1(table, dict(snakemake.output.items()))
