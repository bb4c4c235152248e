"""Rule browser."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.browser import write_browser

    write_browser(
        **dict(snakemake.input.items()),
        runs=snakemake.params.runs,
        models=snakemake.params.models,
        target=snakemake.output[0],
    )
