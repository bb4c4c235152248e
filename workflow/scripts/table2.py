"""Rule table2."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.papers.declared import read_paper
    from codetune.report.table2 import table2, write_table2

    params, inputs = snakemake.params, snakemake.input
    tuned = [path for path, run in zip(inputs.summaries, params.runs, strict=True) if run["tuned"]]
    records = dict(zip(tuned, inputs.records, strict=True))
    paper = read_paper(inputs.paper)
    table = table2(params.runs, params.models, inputs.summaries, inputs.significance, params.metric, records, paper)
    write_table2(table, inputs.significance, params.metric, dict(snakemake.output.items()))
