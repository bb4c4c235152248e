"""Rule significance."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.significance import measure_significance

    params = snakemake.params
    measure_significance(
        params.runs, snakemake.input, params.untuned, params.resamples, params.seed, snakemake.output[0]
    )
