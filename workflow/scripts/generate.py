"""Rule generate."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.generation.generate import generate_predictions
    from codetune.models.loading import Checkpoint

    inputs, params = snakemake.input, snakemake.params
    generate_predictions(
        tokens=inputs.tokens,
        base=Checkpoint(inputs.checkpoint, params.quantization),
        adapter=inputs.adapter or None,
        settings=params.generation,
        code=params.code,
        work=params.work,
        **dict(snakemake.output.items()),
    )
