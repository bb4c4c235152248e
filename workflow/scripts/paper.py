"""Rule paper."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.project import PROJECT
    from codetune.report.paper import write_paper

    write_paper(dict(snakemake.input.items()), snakemake.params.metric, PROJECT, snakemake.output[0])
