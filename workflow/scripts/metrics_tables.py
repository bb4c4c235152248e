"""Rule metrics."""

from codetune.jobs import job

with job(snakemake):
    from codetune.tables import breakdown_table, metrics_table, write_breakdown, write_metrics

    params, inputs, outputs = snakemake.params, snakemake.input, snakemake.output
    forms = {
        name: {form: outputs[f"{name}_{form}"] for form in ("csv", "md", "tex")} for name in ("metrics", "breakdown")
    }
    write_metrics(metrics_table(params.runs, params.models, inputs.summaries, inputs.significance), forms["metrics"])
    write_breakdown(
        breakdown_table(params.runs, params.models, inputs.summaries, params.metric), params.metric, forms["breakdown"]
    )
