"""Rule leaks."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.data.leaks import LeakInputs, write_leaks

    names, inputs = snakemake.wildcards, LeakInputs(**dict(snakemake.input.items()))
    write_leaks(names.dataset, names.test, inputs, snakemake.output[0])
