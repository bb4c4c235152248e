"""Rule forest."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.figures import draw_forest

    params = snakemake.params
    draw_forest(params.runs, params.models, snakemake.input[0], params.metric, dict(snakemake.output.items()))
