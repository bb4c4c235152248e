"""Rule finetune."""

from typing import TYPE_CHECKING, Any

from codetune.jobs import job

if TYPE_CHECKING:
    snakemake: Any

with job(snakemake):
    from codetune.training import FinetuneInputs, FinetuneOutputs, finetune

    params = snakemake.params
    finetune(
        FinetuneInputs(**dict(snakemake.input.items())),
        FinetuneOutputs(**dict(snakemake.output.items()), work=params.work),
        params.model,
        {key: params[key] for key in ("lora", "quantization", "training", "max_length")},
        int(snakemake.wildcards.seed),
    )
