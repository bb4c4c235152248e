"""Rule page."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.page import write_page

    write_page(snakemake.input.document, snakemake.input.template, snakemake.output[0])
