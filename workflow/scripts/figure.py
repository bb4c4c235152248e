"""Rule figure."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.figure import draw_figure

    inputs, outputs = dict(snakemake.input.items()), dict(snakemake.output.items())
    draw_figure(snakemake.wildcards.figure, inputs, snakemake.params.metric, outputs)
