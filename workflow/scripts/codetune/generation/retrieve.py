"""Rule retrieve: the output of the most similar training sample in place of what a model would write."""

from dataclasses import dataclass

from codetune.base.files import sha256_of_file, write_json
from codetune.base.plain import to_plain
from codetune.base.progress import counted, doing
from codetune.data.predictions import Candidate, Prediction, write_predictions
from codetune.data.samples import read_part, sha256_of_samples
from codetune.prompts.nearest import Nearest, signature
from codetune.study.retrieval import RetrievalFacts


@dataclass(frozen=True)
class RetrieveInputs:
    """What a retrieval reads.

    Attributes:
        train: The training samples, which are searched.
        test: The test samples, which are answered.
        train_split: Facts of the split that the training samples come from.
        test_split: Facts of the split that the test samples come from.
    """

    train: str
    test: str
    train_split: str
    test_split: str


def retrieve_outputs(inputs: RetrieveInputs, predictions: str, facts: str) -> None:
    """Answers each test sample with the output of the training sample whose request is most similar to its own.

    Args:
        inputs: Paths to read.
        predictions: Path to write: the outputs as they are, in the order of the test samples, JSON lines.
        facts: Path to write: what was searched, and how, JSON.

    Raises:
        StudyError: The samples are not those that the splits wrote.
    """
    train, test = read_part(inputs.train, inputs.train_split), read_part(inputs.test, inputs.test_split)
    with doing("indexing the training samples"):
        nearest = Nearest(train)
    found = [nearest.to(sample.request, 1)[0] for sample in counted(test, "retrieval", "samples")]
    # No token is generated, and nothing is cut off.
    answers = [
        Prediction(sample.id, [Candidate(answer.output, tokens=0, truncated=False)])
        for sample, answer in zip(test, found, strict=True)
    ]
    write_predictions(predictions, answers)
    written = RetrievalFacts(
        inputs_sha256={"train_samples": sha256_of_samples(train), "test_samples": sha256_of_samples(test)},
        predictions_sha256=sha256_of_file(predictions),
        training_samples=len(train),
        predictions=len(answers),
        signature=signature(),
        found=[answer.id for answer in found],
    )
    write_json(facts, to_plain(written))
    print(f"{len(answers)} test samples answered from {len(train)} training samples")
