"""Rule curve."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.generation.curve import measure_curve
    from codetune.models.loading import Checkpoint

    inputs, params = snakemake.input, snakemake.params
    measure_curve(
        samples=inputs.samples,
        tokens=inputs.tokens,
        base=Checkpoint(inputs.checkpoint, params.quantization),
        checkpoints=inputs.checkpoints,
        settings=params.generation,
        count=params.samples,
        code=params.code,
        work=params.work,
        target=snakemake.output[0],
    )
