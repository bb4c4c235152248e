"""Rule browser."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.browser import BrowserInputs, write_browser

    inputs = BrowserInputs(**dict(snakemake.input.items()))
    write_browser(inputs, snakemake.wildcards.test, snakemake.params.metric, snakemake.output[0])
