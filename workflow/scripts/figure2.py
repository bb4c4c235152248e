"""Rule figure2."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.figures import draw_figure2

    draw_figure2(snakemake.params.runs, snakemake.params.models, snakemake.input, dict(snakemake.output.items()))
