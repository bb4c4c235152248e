"""Rule curve."""

from codetune.jobs import job

with job(snakemake):
    from codetune.curves import measure_curve

    params = snakemake.params
    measure_curve(
        **dict(snakemake.input.items()),
        attention=params.attention,
        quantization=params.quantization,
        settings=params.generation,
        count=params.samples,
        target=snakemake.output[0],
    )
