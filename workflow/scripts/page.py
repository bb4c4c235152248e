"""Rule page."""

from codetune.jobs import job

with job(snakemake):
    from codetune.pages import write_page

    write_page(snakemake.input.document, snakemake.input.template, snakemake.output[0])
