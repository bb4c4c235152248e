"""Rule execute."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.execution.execute import ExecuteInputs, ExecuteOutputs, execute_predictions

    inputs, params = ExecuteInputs(**dict(snakemake.input.items())), snakemake.params
    outputs = ExecuteOutputs(**dict(snakemake.output.items()), work=params.work)
    execute_predictions(inputs, outputs, snakemake.threads, params.code)
