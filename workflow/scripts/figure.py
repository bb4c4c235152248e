"""Rule figure."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.figure import draw_figure
    from codetune.study.declared import path_of_params

    inputs, outputs = dict(snakemake.input.items()), dict(snakemake.output.items())
    inputs["paper"] = path_of_params(dict(snakemake.params.items()))
    draw_figure(snakemake.wildcards.figure, inputs, snakemake.params.metric, outputs)
