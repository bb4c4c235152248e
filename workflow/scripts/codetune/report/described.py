"""What a study is, in sentences: its question, data, models, training and decoding."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from codetune.base.files import Row, read_json, reading
from codetune.report.finding import Finding, Material, Numbers, files_of, listed
from codetune.report.quoted import format_rate
from codetune.study.record import Record

T = TypeVar("T")
MOST = 6  # models, methods or languages that a sentence names
LANGUAGES = 3
OPTIMIZERS = {"adamw": "AdamW", "adamw_8bit": "AdamW in 8 bits", "adafactor": "Adafactor"}
SPLIT = {
    "together": "near-duplicates stay in one part",
    "anywhere": "near-duplicates stay where the shuffle puts them",
}
FILES = "the parts are those that its files give"


def read_cards(paths: Iterable[str]) -> dict[str, Row]:
    """Reads data cards, by their paths.

    Raises:
        StudyError: A file is damaged.
    """
    return {path: read_json(path) for path in paths}


def describe_study(material: Material, cards: Mapping[str, Row]) -> list[Finding]:
    """Says what was asked, of which data and models, and how models were trained and decoded.

    Args:
        material: The study.
        cards: The data cards, by their paths.

    Returns:
        Sentences whose names begin with `study.`, `data.`, `training.` and `decoding.`.
    """
    found = [_question(material), *(_data(path, card) for path, card in cards.items())]
    trained = [record for record in material.records if record.training is not None]
    if trained:
        found.append(_training(trained, material))
    if decoded := [record for record in material.records if not record.run.retrieves]:
        found.append(_decoding(decoded, material))
    return [*found, _statistics(material)]


def _question(material: Material) -> Finding:
    """How many models were tuned by which methods, and what they are compared with."""
    numbers, records = material.numbers("study"), material.records
    tuned = [record for record in records if record.trains]
    models = list({record.run.model: record.model.label for record in records if not record.run.retrieves}.values())
    of_tuned = list({record.run.model: record.model.label for record in tuned}.values())
    methods = list(dict.fromkeys(record.run.method for record in tuned))
    untuned = list(dict.fromkeys(one.run.method for one in records if not one.trains and not one.run.retrieves))
    numbers.count("runs", len(records))
    numbers.count("models", len(models))
    numbers.count("systems", len({record.run.system for record in records}))
    said = []
    if tuned:
        seeds = numbers.keep("seeds", *_most(Counter(record.run.system for record in tuned).values()))
        count = numbers.count("trainings", len(tuned))
        who = _names(of_tuned, "tuned models", numbers)
        said.append(f"Does tuning raise the score of {who}, and by how much?")
        how = f"with {seeds} seed{'' if seeds == '1' else 's'}"
        trainings = f"{count} training{'' if count == '1' else 's'}"
        each, by = "Each is" if len(of_tuned) > 1 else "It is", _names(methods, "methods", numbers)
        said.append(f"{each} tuned by {by}, {how}: {trainings}.")
    if untuned:
        who = _names(models, "models", numbers)
        alone = f" ({', '.join(untuned)})" if len(untuned) > 1 else ""
        said.append(f"Untuned{alone}, {who} {'is' if len(models) == 1 else 'are'} evaluated on the same samples.")
    text = " ".join(said)
    if any(record.run.retrieves for record in records):
        text += " Beside them stands a baseline without a model: the output of the most similar training sample."
    return Finding("study", text, numbers.found, files_of(records))


def _most(counts: Iterable[int]) -> tuple[int, str]:
    """The largest of some counts, and all of them as a range."""
    known = sorted(counts)
    return known[-1], " to ".join(dict.fromkeys(str(one) for one in (known[0], known[-1])))


def _names(names: Sequence[str], noun: str, numbers: Numbers) -> str:
    """Names as a list; how many there are, where they are many."""
    count = numbers.count(noun.replace(" ", "_"), len(names))
    return listed(names) if len(names) <= MOST else f"{count} {noun}"


def _data(path: str, card: Row) -> Finding:
    """Where a data set's samples went, and what they are."""
    with reading(path):
        name, parts, near = str(card["dataset"]), card["parts"], card["near_duplicates"]
        numbers = Numbers(f"data.{name}")
        counts = {part: numbers.count(part, facts["samples"]) for part, facts in parts.items()}
        records = numbers.count("records", card["records"])
        sample = card.get("sample")
        kept = list(card.get("kept", {}).values())[-1:]
        taken = [f"{numbers.count('kept', count)} passed the filters" for count in kept]
        whose = " for training" if "records_of_parts" in card else ""
        taken += [f"{numbers.count('drawn', sample['records'])}{whose} were drawn"] if sample else []
        which = f", of which {listed(taken)}," if taken else ""
        division = FILES if "records_of_parts" in card else SPLIT[near["handling"]]
        divided = listed([f"{count} {'training' if part == 'train' else part}" for part, count in counts.items()])
        text = f"{name} has {records} records{which} in {divided} samples; {division}."
        samples, languages = parts["test"]["samples"], list(parts["test"]["languages"].items())[:LANGUAGES]
        shares = [
            f"{language} ({numbers.percent(f'language.{language}', count / samples)})" for language, count in languages
        ]
        if shares:
            text += f" Most test samples are of {listed(shares)}."
        mean = parts["test"]["characters_of_output"]["mean"]
        text += f" A reference has {numbers.keep('reference_characters', mean, f'{mean:,.0f}')} characters on average."
    return Finding(f"data.{name}", text, numbers.found, [path])


def _training(records: Sequence[Record], material: Material) -> Finding:
    """The settings of all trainings; of those that differ how far they go."""
    numbers = material.numbers("training")
    plans = [record.training.plan for record in records if record.training]

    def of(name: str) -> list[Any]:
        return [getattr(plan.settings, name) for plan in plans]

    weights, schedule = listed(_each([plan.quantization.weights for plan in plans])), listed(_each(of("schedule")))
    optimizer = listed([OPTIMIZERS.get(name, name) for name in _each(of("optimizer"))])
    rate = _range("learning_rate", of("learning_rate"), numbers, format_rate)
    batch, epochs = (_range(name, of(name), numbers) for name in ("batch_size", "epochs"))
    text = (
        f"Frozen weights are held in {weights}. {optimizer} has a learning rate of {rate} with a {schedule} schedule, "
        f"batches of {batch}, and at most {epochs} epochs."
    )
    patience = [one for one in of("patience") if one is not None]
    if patience:
        text += (
            f" Training stops after {_range('patience', patience, numbers)} validations without a lower loss, and the "
            "best checkpoint is kept."
        )
    packing = "Several samples share a sequence, and none sees another." if all(of("packing")) else ""
    text += f" A sample has up to {_range('max_length', of('max_length'), numbers)} tokens. {packing}"
    templates = _each([record.template for record in records if record.template])
    text = f"{text.strip()} Requests are put into the template{'' if len(templates) == 1 else 's'} "
    return Finding("training", f"{text}{listed(templates)}.", numbers.found, files_of(records))


def _decoding(records: Sequence[Record], material: Material) -> Finding:
    """How completions were decoded."""
    numbers = material.numbers("decoding")
    facts = [tested.generation for record in records for tested in record.tests.values() if tested.generation]
    most = _range("max_new_tokens", [one.decoding.max_new_tokens for one in facts], numbers)
    ways = listed(list(dict.fromkeys(one.decoding.words for one in facts)))
    text = f"Each model completes every test sample {ways}, with up to {most} new tokens."
    if any(one.decoding.count > 1 for one in facts):
        text += " Metrics are of the first completion, EM@k of the first k."
    return Finding("decoding", text, numbers.found, files_of(records))


def _statistics(material: Material) -> Finding:
    """The metric, and how intervals and verdicts were made."""
    numbers, first = material.numbers("statistics"), next(iter(material.comparisons.values()))
    resamples = _range("resamples", [one.resamples for one in material.comparisons.values()], numbers)
    facts = first.metrics[material.metric]
    tuned = [one for one in material.evaluated if one.is_tuned]
    over = "test samples and seeds" if any(len(one.records) > 1 for one in tuned) else "test samples"
    level = numbers.percent("level", first.level)
    text = f"The metric is {facts.label} ({facts.signature})."
    text += f" Intervals of {level} are from a paired bootstrap over {over}, {resamples} resamples."
    if tuned:
        text += " A verdict follows the p-value after Holm's correction over all gains."
    if material.on_code:
        text += " On code means: of the code that is found in the text."
    return Finding("statistics", text, numbers.found, [*material.paths.values()])


def _each(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


def _range(name: str, values: Iterable[float], numbers: Numbers, show: Callable[[float], str] = "{:,}".format) -> str:
    """The lowest and the highest of some settings; the only one where they are alike."""
    found = sorted(set(values))
    if len(found) == 1:
        return numbers.keep(name, found[0], show(found[0]))
    ends = [numbers.keep(f"{name}_{side}", found[place], show(found[place])) for side, place in _SIDES]
    return " to ".join(ends)


_SIDES = (("lowest", 0), ("highest", -1))
