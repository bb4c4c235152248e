"""Rule summary."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.project import PROJECT
    from codetune.report.summary import write_summary

    inputs = dict(snakemake.input.items())
    write_summary(
        inputs, PROJECT / "workflow/report/page.html", snakemake.params.metric, dict(snakemake.output.items())
    )
