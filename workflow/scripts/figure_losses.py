"""Rule losses."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.figures import draw_losses

    draw_losses(snakemake.params.runs, snakemake.params.models, snakemake.input, dict(snakemake.output.items()))
