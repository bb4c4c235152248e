"""Rule significance."""

from codetune.jobs import job

with job(snakemake):
    from codetune.significance import measure_significance

    params = snakemake.params
    measure_significance(
        params.runs, snakemake.input, params.untuned, params.resamples, params.seed, snakemake.output[0]
    )
