"""Rule choose_count: of several numbers of examples, the one that is best on the validation part."""

from collections.abc import Mapping, Sequence

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_file, write_json
from codetune.base.plain import read_as, to_plain
from codetune.study.examples import CountFacts, CountTrial
from codetune.study.facts import Summary


def choose_count(trials: Mapping[str, int], summaries: Sequence[str], metric: str, target: str) -> None:
    """Chooses the number of examples in the prompts of a run by the scores of its trials, and writes it.

    Of several numbers with the best score, the smallest is taken.

    Args:
        trials: The number of examples of each trial, by the trial's name.
        summaries: Path of the summary.json of each trial, on the validation part.
        metric: Name of the metric.
        target: Path to write, JSON.

    Raises:
        StudyError: The metric applies to no validation sample.
    """
    read = [read_as(path, Summary) for path in summaries]
    found = [
        CountTrial(name, count, summary.scores[metric], sha256_of_file(path))
        for (name, count), summary, path in zip(trials.items(), read, summaries, strict=True)
    ]
    scores = {trial.count: trial.score for trial in sorted(found, key=lambda trial: trial.count)}
    known = {count: score for count, score in scores.items() if score is not None}
    if not known:
        raise StudyError(
            f"{summaries[0]}: {metric} applies to none of the {read[0].samples} validation samples, so that nothing "
            "tells which number of examples is best. Name one 'count' of the prompt in the config, or another "
            "'evaluation.metric'."
        )
    chosen = max(known, key=known.__getitem__)
    write_json(target, to_plain(CountFacts(metric, read[0].signatures[metric], read[0].samples, found, chosen)))
    for count, score in scores.items():
        print(f"{count} examples: {metric} {score}{', chosen' if count == chosen else ''}")
