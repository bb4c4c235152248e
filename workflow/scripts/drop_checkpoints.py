"""Rule drop_checkpoints."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.generation.checkpoints import drop_checkpoints, note_of

    for trial in snakemake.input.trials:  # its chosen checkpoints are the run's: links to the same files
        drop_checkpoints(trial, note_of(trial))
    drop_checkpoints(snakemake.input.checkpoints, snakemake.output[0])
