"""The vectors of a finished study held against its config, its samples and the encoder. They are not made anew."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from codetune.base.identity import checkpoint_identity
from codetune.base.plain import to_plain
from codetune.data.samples import read_part
from codetune.prompts.dense import read_vectors
from codetune.report.comparing import compare_values
from codetune.report.origins import Check
from codetune.report.remake import Results
from codetune.study import layout
from codetune.study.custody import check_downloads
from codetune.study.embeddings import embeddings_of


def checks_of_embeddings(at: Results) -> list[Check]:
    """A check of all vectors that choices of examples compare."""
    return [_embedding(at, entry) for entry in embeddings_of(at.study)]


def _embedding(at: Results, entry: Mapping[str, str]) -> Check:
    manifest = at.download(layout.ENCODER, **entry)
    patterns = layout.PART, layout.SPLIT, layout.VECTORS, layout.EMBEDDING
    paths = [at.path(pattern, **entry) for pattern in patterns]
    return Check(partial(_check_embedding, at, entry["encoder"], manifest, *paths), [manifest, *paths])


def _check_embedding(
    at: Results, encoder: str, manifest: str, part: str, split: str, vectors: str, path: str
) -> list[str]:
    """Checks that vectors are of these samples, and by the encoder that the config names."""
    check_downloads(at.study, at.resources, [manifest])
    _, facts = read_vectors(vectors, path, read_part(part, split))
    found = {"encoder": facts.encoder, "checkpoint": to_plain(facts.checkpoint)}
    expected = {"encoder": encoder, "checkpoint": to_plain(checkpoint_identity(Path(manifest).parent))}
    return [f"{path}: {line}" for line in compare_values(found, expected)]
