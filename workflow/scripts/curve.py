"""Rule curve."""

from typing import TYPE_CHECKING, Any

from codetune.jobs import job

if TYPE_CHECKING:
    snakemake: Any

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
