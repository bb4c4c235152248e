"""Rule retrieve."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.generation.retrieve import RetrieveInputs, retrieve_outputs

    inputs = RetrieveInputs(**dict(snakemake.input.items()))
    retrieve_outputs(inputs, **dict(snakemake.output.items()))
