"""Rule forest."""

from codetune.jobs import job

with job(snakemake):
    from codetune.figures import draw_forest

    params = snakemake.params
    draw_forest(params.runs, params.models, snakemake.input[0], params.metric, dict(snakemake.output.items()))
