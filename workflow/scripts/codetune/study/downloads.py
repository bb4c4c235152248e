"""The repositories of the hub from which models, encoders and data sets come."""

from collections.abc import Iterable

from codetune.study.model import CONFIG
from codetune.study.study import Study


def repositories_of(
    study: Study, models: Iterable[str], datasets: Iterable[str], encoders: Iterable[str] = ()
) -> list[dict[str, str]]:
    """Returns the repositories of all these in the config's order, with a file by which to ask for access.

    Args:
        study: The study.
        models: Names of models; those with a local path have no repository.
        datasets: Names of data sets, in the same way.
        encoders: Names of encoders, in the same way.
    """
    models, datasets, encoders = set(models), set(datasets), set(encoders)
    published = [dataset.published for name, dataset in study.datasets.items() if name in datasets]
    wanted = [("dataset", one.source, one.files[0]) for one in published]
    wanted += [("model", model.source, CONFIG) for name, model in study.models.items() if name in models]
    wanted += [("model", source, CONFIG) for name, source in study.encoders.items() if name in encoders]
    found = [
        {"name": source.repo, "revision": source.revision or "", "kind": kind, "file": file}
        for kind, source, file in wanted
        if source.path is None and source.repo is not None
    ]
    return [entry for place, entry in enumerate(found) if entry not in found[:place]]
