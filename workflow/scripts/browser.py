"""Rule browser."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.project import PROJECT
    from codetune.report.browser import BrowserInputs, write_browser

    inputs = snakemake.input
    read = BrowserInputs(inputs.samples, inputs.records, str(PROJECT / "workflow/report/samples.html"))
    write_browser(read, snakemake.wildcards.test, snakemake.params.metric, snakemake.output[0])
