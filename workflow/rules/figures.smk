# Needs: the records and comparisons of the runs, and for figure 2 their curves. Needs neither a GPU nor torch.
# Gives: <results>/figures/<page>.{png,svg,pdf}: a page is named like its figure, with a letter where there are several

from codetune.study.tested import executed_tests, figure_pages_of

EVERYTHING = {"records": [in_results(layout.ALL_RECORDS)], "comparisons": COMPARISONS}

# For each figure its name in the report, its caption, and its inputs. Its pages: study/figures.py.
FIGURES = {
    "figure1": (
        "Figure 1: what training used",
        "What training used: time, tokens per second, peak memory and, where it was measured, energy of each tuned model. "
        "Marks are means over seeds, bars between ticks go from the lowest seed to the highest. Waiting for a GPU is not "
        "counted.",
        EVERYTHING,
    ),
    "figure2": (
        "Figure 2: score against steps",
        "Curves of the kept checkpoints by the metric that the config names (`evaluation.metric`), on a fixed subset of "
        "the validation split. Step 0 is the untuned model; curves of several seeds are means at the steps that all of "
        "them have. Scores are shown against training steps, as in the paper, and against the tokens seen, since models "
        "have batches of different sizes. Gains over step 0 have bands of 95 %, which are paired: both scores are of the "
        "same samples, so that a gain is surer than either score. With several seeds the bands are over samples and "
        "seeds. Stars mark the checkpoint of each seed with the lowest validation loss, which is the result. The test "
        "split is not used.",
        EVERYTHING | {"curves": each(layout.CURVE, STUDY.training_runs)},
    ),
    "losses": (
        "Losses",
        "Training and validation loss against training steps, and the gap between them. A point of the training loss is "
        "the mean since the last evaluation; curves of several seeds are means at the steps that all of them have. Stars "
        "mark the checkpoint of each seed with the lowest validation loss, which is the result. All panels have the same "
        "axes, which reach as high as the losses after the first step: that before it may lie above. Losses are per "
        "token: they cannot be compared between models with different tokenizers.",
        EVERYTHING | {"logs": each(layout.TRAINING_LOG, STUDY.training_runs)},
    ),
    "cost": (
        "Score against cost",
        "The score on the test samples, by the metric that the config names (`evaluation.metric`), against what it takes: "
        "time, peak memory and, where it was measured, energy of the training, and time of the generation. Upright lines "
        "are 95 % intervals of the score, level ones go from the lowest seed to the highest. Untuned models take no "
        "training. The line is the Pareto front of the whole study: nothing scores as high for less.",
        EVERYTHING,
    ),
    "dumbbell": (
        "Scores, untuned to tuned",
        "The score of each model untuned (ticks) and tuned (marks), or untuned with examples in its prompts (hollow "
        "marks), on the test samples, by the metric that the config names (`evaluation.metric`), of the text as written "
        "and of the code in it. The tall tick is the better of the baselines, over which the gain beside it is measured. "
        "The thin line is the gain's 95 % interval, from a paired bootstrap and not corrected, laid from that tick: where "
        "it reaches the tick, the gain is not apart from zero. Signs say the verdict, which follows the p-value with "
        "Holm's correction. Where a model has one seed, all are about that one training. Models that are untuned alone "
        "stand below, with the intervals of their scores.",
        EVERYTHING,
    ),
    "forest": (
        "Gains with intervals",
        "How much of a gain is format: the gain of each model that is tuned, or has examples in its prompts, over each "
        "baseline of its method, by the metric that the config names (`evaluation.metric`), for the text as written and "
        "for the code in it. Lines are 95 % intervals from a paired bootstrap, not corrected; gain and interval stand "
        "beside them. Signs say the verdict, which follows the p-value with Holm's correction; gains without one are over "
        "a baseline that is not the better one. Where a model has one seed, all are about that one training. A star is "
        "the paper's own gain.",
        EVERYTHING,
    ),
    "languages": (
        "Gains by language",
        "The gain of each tuned model over the better of its baselines, as decided over all samples, in the samples of "
        "each language (guessed from the request, else from the reference), with their number. Languages with fewer than "
        "30 samples are one class. Lines are 95 % intervals from a paired bootstrap of the class, not corrected: there "
        "are no verdicts.",
        EVERYTHING,
    ),
    "lengths": (
        "Gains by length",
        "The gain of each tuned model over the better of its baselines, as decided over all samples, by the length of the "
        "reference in characters, with the number of samples. Classes with fewer than 30 samples are put to their "
        "neighbours. Lines are 95 % intervals from a paired bootstrap of the class, not corrected: there are no verdicts.",
        EVERYTHING,
    ),
    "matrix": (
        "Methods against each other",
        "For each model the mean difference on the same test samples between the method of the row and that of the "
        "column, by the metric that the config names (`evaluation.metric`), as written. Signs say the verdict, which "
        "follows the p-value with Holm's correction; cells with a decided one have a ground, the stronger the larger the "
        "difference. A cell without a sign is over a baseline that is not the better one. Intervals are in "
        "`comparisons/<test>.json` and, of pairs, in `tables/pairs.*`.",
        EVERYTHING,
    ),
    "execution": (
        "What unit tests say",
        "What becomes of the code that each system writes, on a test set with unit tests: the share of problems whose "
        "first answer passes them (pass@1), with its 95 % interval, and what is wrong with all other answers. Code runs "
        "in a sandbox without files, network or clock. Interval and verdicts are over problems; where a model has one "
        "seed, they are about that one training.",
        EVERYTHING | {"comparisons": [in_results(layout.COMPARISONS, test=test) for test in executed_tests(STUDY)]},
    ),
}
FIGURE_PAGES = figure_pages_of(STUDY)
for name in set(FIGURES) - {page.figure for page in FIGURE_PAGES.values()}:
    del FIGURES[name]  # it would show nothing of this study


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
        **declared_params(STUDY.paper),
        caption=lambda wildcards: figure_of(wildcards)[1],
        metric=lookup(within=config, dpath="evaluation/metric"),
        paper=project_file(file_of(STUDY.paper)),
        code=code("figure.py", "analysis"),
    script:
        "../scripts/figure.py"
