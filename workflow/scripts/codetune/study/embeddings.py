"""Which vectors of requests a study compares, where an encoder tells which examples are similar."""

from codetune.study.runs import dataset_of, part_of
from codetune.study.study import Study


def embeddings_for(study: Study, prompt: str, data: str, test: str) -> list[dict[str, str]]:
    """What the choice of examples of a prompt compares, by the wildcards of its path.

    Args:
        study: The study.
        prompt: Name of the prompt.
        data: Name of the data set of the examples.
        test: Name of the test set.

    Returns:
        The vectors of the training samples and of the samples that are asked for; none where no encoder compares them.
    """
    examples = study.prompt_called(prompt, data).examples
    if examples is None or examples.encoder is None:
        return []
    parts = {"train": data, part_of(test): dataset_of(test)}
    return [{"dataset": name, "encoder": examples.encoder, "part": part} for part, name in parts.items()]


def embeddings_of(study: Study) -> list[dict[str, str]]:
    """All vectors that choices of examples compare, each once, by the wildcards of their path."""
    found = [one for of in study.example_sets for one in embeddings_for(study, of["prompt"], of["data"], of["test"])]
    return list({tuple(one.values()): one for one in found}.values())


def encoders_of(study: Study) -> list[str]:
    """Names of the encoders that compute these."""
    return list(dict.fromkeys(one["encoder"] for one in embeddings_of(study)))
