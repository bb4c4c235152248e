"""Rule page."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.project import PROJECT
    from codetune.report.page import write_page

    write_page(snakemake.input.document, PROJECT / "workflow/report/page.html", snakemake.output[0])
