"""Rule generate."""

from codetune.jobs import job

with job(snakemake):
    from codetune.generation import generate_predictions

    generate_predictions(
        tokens=snakemake.input.tokens,
        checkpoint=snakemake.input.checkpoint,
        adapter=snakemake.input.adapter or None,
        attention=snakemake.params.attention,
        quantization=snakemake.params.quantization,
        settings=snakemake.params.generation,
        predictions=snakemake.output.predictions,
        record=snakemake.output.record,
    )
