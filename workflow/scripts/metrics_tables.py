"""Rule metrics."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.breakdown import breakdown_table, write_breakdown
    from codetune.report.metrics import metrics_table, write_metrics

    params, inputs, outputs = snakemake.params, snakemake.input, snakemake.output
    forms = {
        name: {form: outputs[f"{name}_{form}"] for form in ("csv", "md", "tex")} for name in ("metrics", "breakdown")
    }
    write_metrics(metrics_table(params.runs, params.models, inputs.summaries, inputs.significance), forms["metrics"])
    write_breakdown(
        breakdown_table(params.runs, params.models, inputs.summaries, params.metric), params.metric, forms["breakdown"]
    )
