"""Rule curve."""

from codetune.jobs import job

with job(snakemake):
    from codetune.curves import measure_curve
    from codetune.generation import Base

    inputs, params = snakemake.input, snakemake.params
    measure_curve(
        samples=inputs.samples,
        tokens=inputs.tokens,
        base=Base(inputs.checkpoint, params.quantization),
        checkpoints=inputs.checkpoints,
        settings=params.generation,
        count=params.samples,
        code=params.code,
        work=params.work,
        target=snakemake.output[0],
    )
