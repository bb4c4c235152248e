"""Rule drop_checkpoints."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.generation.checkpoints import drop_checkpoints

    drop_checkpoints(snakemake.input.checkpoints, snakemake.output[0])
