"""Rule figure1."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.figures import draw_figure1

    draw_figure1(snakemake.params.runs, snakemake.params.models, snakemake.input, dict(snakemake.output.items()))
