"""Rule cost."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.figures import draw_cost

    params, inputs = snakemake.params, snakemake.input
    draw_cost(params.runs, params.models, inputs.records, inputs.summaries, dict(snakemake.output.items()))
