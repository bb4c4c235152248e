# Needs: the records and comparisons of the runs, and for figure 2 their curves. Needs neither a GPU nor torch.
# Gives: <results>/figures/<page>.{png,svg,pdf}: a page is named like its figure, with a letter where there are several

from codetune.study.figures import figure_pages

EVERYTHING = {"records": each(layout.RECORD, STUDY.runs), "comparisons": COMPARISONS}
TRAINED = {"records": each(layout.RECORD, STUDY.training_runs), "comparisons": COMPARISONS}

# For each figure its name in the report, its caption, and its inputs. Its pages: study/figures.py.
FIGURES = {
    "figure1": (
        "Figure 1: what training used",
        "What training used: hours, tokens per second, and peak memory of each tuned model. Waiting for a GPU is not "
        "counted.",
        TRAINED,
    ),
    "figure2": (
        "Figure 2: score against steps",
        "The score of each kept checkpoint, by the metric that the config names (`evaluation.metric`), against "
        "training steps, on a fixed subset of the validation split. Step 0 is the untuned model. Bands are 95 % "
        "intervals over the samples. The test split is not used.",
        TRAINED | {"curves": each(layout.CURVE, STUDY.training_runs)},
    ),
    "losses": (
        "Losses",
        "Training and validation loss against training steps. A ring marks the lowest validation loss, whose checkpoint "
        "is the result. Losses are per token: they cannot be compared between models with different tokenizers.",
        TRAINED | {"logs": each(layout.TRAINING_LOG, STUDY.training_runs)},
    ),
    "cost": (
        "Score against cost",
        "The score on the test samples, by the metric that the config names (`evaluation.metric`), against what the "
        "training used: time, memory, and energy where it was measured. Each test set has a row of panels.",
        TRAINED,
    ),
    "forest": (
        "Gains with intervals",
        "How much of a gain is format: the gain of each tuned model, by the metric that the config names "
        "(`evaluation.metric`), over the first baseline of its method for the text as written, and over each baseline "
        "for its code. Lines are 95 % intervals from a paired bootstrap, not corrected. Large marks have a verdict, "
        "which follows the p-value with Holm's correction: hollow where it is undecided, filled where it is better or "
        "worse. Small marks have none, because another baseline is the better one. Where a model has one seed, all are "
        "about that one training. Each test set has a panel.",
        TRAINED,
    ),
}
FIGURE_PAGES = figure_pages([run.system for run in STUDY.runs])
if not FIGURE_PAGES:
    FIGURES.clear()  # all of them show what was trained


rule figure:
    """Draws a page of a figure as PNG, SVG and PDF, readable in grey and in print."""
    input:
        unpack(lambda wildcards: figure_of(wildcards)[2]),
    output:
        png=in_results(layout.FIGURE_PNG),
        svg=report(
            in_results(layout.FIGURE_SVG),
            category="Figures",
            labels=lambda wildcards: {"figure": title_of_page(wildcards)},
            caption="../report/figure.rst",
        ),
        pdf=in_results(layout.FIGURE_PDF),
    log:
        "<logs>/figure/{figure}.log",
    benchmark:
        "<benchmarks>/figure/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(FIGURE_PAGES),
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        caption=lambda wildcards: figure_of(wildcards)[1],
        metric=lookup(within=config, dpath="evaluation/metric"),
        code=code("figure.py", "analysis"),
    script:
        "../scripts/figure.py"
