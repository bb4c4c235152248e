"""Rule record_tests: the calls that the unit tests of a test set make, recorded with its references."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_file, write_json, write_jsonl
from codetune.base.plain import declared, read_lines_as, to_plain
from codetune.base.progress import counted
from codetune.data.samples import Sample, read_part, sha256_of_samples
from codetune.execution.guests import MOST_FUEL, Recorded, judge, record
from codetune.execution.prepare import open_sandbox
from codetune.execution.sandbox import Sandbox
from codetune.study.execution import ProblemsFacts
from codetune.study.problem import Problem


@dataclass(frozen=True)
class RecordedProblem:
    """A row of problems.jsonl.

    Attributes:
        id: Number of the sample.
        recorded: The problem with the calls that its tests make.
    """

    id: int
    recorded: Recorded


def record_tests(samples: str, split: str, sandbox: str, problems: str, facts: str, workers: int) -> None:
    """Records the unit tests of a test set, and lists the problems whose answers cannot be judged.

    Args:
        samples: Path of the test samples.
        split: Path of the facts of their split.
        sandbox: Path of the facts of the sandbox.
        problems: Path to write, JSON lines: the problems with the calls that their tests make.
        facts: Path to write, JSON: how many there are, and which are refused.
        workers: Number of guests at a time.

    Raises:
        StudyError: A sample has no unit tests.
    """
    found = read_part(samples, split)
    if missing := [sample.id for sample in found if sample.problem is None]:
        raise StudyError(
            f"{samples}: sample {missing[0]} has no unit tests. Delete the records of the data set in the resources "
            "and run again."
        )
    opened, reason = open_sandbox(sandbox, "record_tests")
    recorded: list[RecordedProblem] = []
    if opened:
        with ThreadPoolExecutor(workers) as pool:
            answers = pool.map(lambda sample: _record(opened, sample), found)
            recorded = [one for _, one in zip(counted(found, "recording tests", "problems"), answers, strict=True)]
    write_jsonl(problems, map(declared, recorded))
    refused = {str(one.id): one.recorded.refused for one in recorded if one.recorded.refused}
    for number, why in refused.items():
        print(f"sample {number} cannot be judged: {why}")
    for one in recorded:
        if one.recorded.reference:
            print(f"sample {one.id} is judged by its test cases alone; its reference: {one.recorded.reference}")
    fuel = sum(one.recorded.fuel for one in recorded)
    digests = sha256_of_samples(found), sha256_of_file(problems)
    write_json(facts, to_plain(ProblemsFacts(len(found), refused, *digests, fuel, reason)))


def _record(sandbox: Sandbox, sample: Sample) -> RecordedProblem:
    assert sample.problem is not None  # as `record_tests` has checked
    return RecordedProblem(sample.id, record_and_check(sandbox, sample.problem))


def record_and_check(sandbox: Sandbox, problem: Problem) -> Recorded:
    """Records a problem's tests, and refuses it if its reference, judged as an answer, does not pass them.

    Test cases state what is right. Their problem is judged whatever becomes of its reference, which is noted.

    Args:
        sandbox: Where guests run.
        problem: The problem.
    """
    recorded = record(sandbox, problem)
    if recorded.refused:
        return recorded
    if problem.cases is not None:
        return _with_reference(sandbox, recorded)
    error = judge(sandbox, recorded, problem.reference).error
    return replace(recorded, refused=f"the reference as an answer: {error}" if error else "")


def _with_reference(sandbox: Sandbox, recorded: Recorded) -> Recorded:
    """Notes of test cases what their reference takes, or what is wrong with it."""
    if not recorded.problem.reference.strip():
        return replace(recorded, reference="missing")
    verdict = judge(sandbox, recorded, recorded.problem.reference, MOST_FUEL)
    return replace(recorded, fuel=verdict.fuel if verdict.passed else 0, reference=verdict.error or None)


def read_problems(path: str) -> dict[int, Recorded]:
    """Reads recorded problems, by the id of their sample.

    Raises:
        StudyError: The file does not hold them.
    """
    return {one.id: one.recorded for one in read_lines_as(path, RecordedProblem)}
