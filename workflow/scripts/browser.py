"""Rule browser."""

from codetune.jobs import job

with job(snakemake):
    from codetune.browser import write_browser

    write_browser(
        **dict(snakemake.input.items()),
        runs=snakemake.params.runs,
        models=snakemake.params.models,
        target=snakemake.output[0],
    )
