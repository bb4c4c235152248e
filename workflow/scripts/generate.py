"""Rule generate."""

from codetune.jobs import job

with job(snakemake):
    from codetune.generation import Base, generate_predictions

    inputs, params = snakemake.input, snakemake.params
    generate_predictions(
        tokens=inputs.tokens,
        base=Base(inputs.checkpoint, params.quantization),
        adapter=inputs.adapter or None,
        settings=params.generation,
        code=params.code,
        work=params.work,
        **dict(snakemake.output.items()),
    )
