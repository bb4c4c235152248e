"""Rule losses."""

from codetune.jobs import job

with job(snakemake):
    from codetune.figures import draw_losses

    draw_losses(snakemake.params.runs, snakemake.params.models, snakemake.input, dict(snakemake.output.items()))
