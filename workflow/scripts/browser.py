"""Rule browser."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.browser import BrowserInputs, write_browser

    inputs = snakemake.input
    read = BrowserInputs(inputs.samples, inputs.records, inputs.template)
    write_browser(read, snakemake.wildcards.test, snakemake.params.metric, snakemake.output[0])
