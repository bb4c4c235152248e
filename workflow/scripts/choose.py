"""Rule choose."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.training.choose import TrialFiles, choose

    inputs, outputs = snakemake.input, dict(snakemake.output.items())
    search = outputs.pop("search")
    written = zip(inputs.tuned, inputs.checkpoints, inputs.log, inputs.facts, strict=True)
    choose(snakemake.params.trials, [TrialFiles(*files) for files in written], TrialFiles(**outputs), search)
