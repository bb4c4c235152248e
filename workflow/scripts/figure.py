"""Rule figure."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.project import PROJECT
    from codetune.report.figure import draw_figure

    inputs, outputs = dict(snakemake.input.items()), dict(snakemake.output.items())
    inputs["paper"] = PROJECT / "config/papers/slm-qlora.yaml"
    draw_figure(snakemake.wildcards.figure, inputs, snakemake.params.metric, outputs)
