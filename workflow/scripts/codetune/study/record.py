"""The record of one run."""

from typing import Any

from codetune.base.files import read_json, sha256_of_file, write_json


def write_run_record(
    run: dict[str, Any], config: dict[str, Any], files: dict[str, str], training: str | None, target: str
) -> None:
    """Writes all that is known of one run into one document: from what, with what, on what, and what came out.

    Args:
        run: Data set, model, method and seed.
        config: The parts of the configuration that the run depends on.
        files: Path of `card`, `predictions`, `scores`, `summary` and `generation`.
        training: Path of the training record; None for an untuned model.
        target: JSON to write.
    """
    hashed = {**files, **({"training": training} if training else {})}
    write_json(
        target,
        {
            "run": run,
            "config": config,
            "data": {part: facts["sha256"] for part, facts in read_json(files["card"])["parts"].items()},
            "training": read_json(training) if training else None,
            "generation": read_json(files["generation"]),
            "result": read_json(files["summary"]),
            "files": {name: {"path": path, "sha256": sha256_of_file(path)} for name, path in hashed.items()},
        },
    )
