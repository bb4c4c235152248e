"""Rule embed: the vectors of requests by an encoder of sentence-transformers, on a CPU."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel

from codetune.base.errors import StudyError
from codetune.base.files import atomic, sha256_of_file, write_json
from codetune.base.identity import CheckpointIdentity, checkpoint_identity
from codetune.base.libraries import FETCH_AGAIN, loading
from codetune.base.plain import to_plain
from codetune.base.progress import doing
from codetune.study.examples import EmbeddingFacts

BATCH = 32  # requests, sorted by length by the library, so that next to nothing is padded
LIBRARIES = ("sentence-transformers", "transformers", "torch")
UNUSED = "pooler."  # of BERT's weights: no vector is made by them, and many encoders lack them


def embed_requests(
    requests: Sequence[str], samples_sha256: str, name: str, folder: str | Path, targets: Mapping[str, str]
) -> None:
    """Computes the vectors of requests, of length 1, and writes them with their facts.

    Equal requests have equal vectors: each text is embedded once, since what else is in its batch shows in the last
    digits. On one machine the same requests give the same bytes.

    Args:
        requests: Of the samples, in their order.
        samples_sha256: SHA-256 of the samples.
        name: Name of the encoder.
        folder: Of the encoder.
        targets: Paths to write: `vectors` (NumPy's format) and `facts` (JSON).

    Raises:
        StudyError: The encoder cannot be loaded, lacks weights, or makes vectors that are not finite.
    """
    encoder = load_encoder(folder)
    texts = list(dict.fromkeys(requests))
    with doing(f"embedding {len(texts):,} requests"):
        found = encoder.encode(texts, batch_size=BATCH, show_progress_bar=False, normalize_embeddings=True)
        longer = _longer_than_read(encoder, texts)
    places = {text: place for place, text in enumerate(texts)}
    vectors = np.asarray(found, dtype=np.float32)[[places[request] for request in requests]]
    if not np.isfinite(vectors).all():
        raise StudyError(f"{folder}: the encoder makes vectors that are not finite. {FETCH_AGAIN}")
    with atomic(targets["vectors"]) as temporary, temporary.open("wb") as stream:
        np.save(stream, vectors, allow_pickle=False)
    identity = checkpoint_identity(folder)
    facts = EmbeddingFacts(
        encoder=name,
        checkpoint=identity,
        inputs_sha256={"samples": samples_sha256},
        vectors_sha256=sha256_of_file(targets["vectors"]),
        signature=_signature(identity, encoder),
        samples=len(requests),
        dimension=vectors.shape[1],
        truncated=sum(request in longer for request in requests),
    )
    write_json(targets["facts"], to_plain(facts))
    print(f"{facts.samples:,} vectors of {facts.dimension} numbers; longer than the encoder reads: {facts.truncated}")


def load_encoder(folder: str | Path) -> SentenceTransformer:
    """Loads an encoder from local files, to compute in float32 on a CPU.

    Raises:
        StudyError: The files are not an encoder, or lack weights, which the library would draw at random.
    """
    settings: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    weights = {"dtype": torch.float32, "use_safetensors": True}
    with loading(folder, "the encoder", FETCH_AGAIN):
        _, found = AutoModel.from_pretrained(folder, **settings, **weights, output_loading_info=True)
        encoder = SentenceTransformer(str(folder), device="cpu", **settings, model_kwargs=weights)
    missing = sorted(name for name in map(str, found["missing_keys"]) if not name.startswith(UNUSED))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise StudyError(
            f"{folder}: the weights do not belong to config.json: they lack {missing[0]}{more}. {FETCH_AGAIN}"
        )
    return encoder


def _longer_than_read(encoder: SentenceTransformer, texts: Sequence[str]) -> set[str]:
    """The texts whose end the encoder does not read."""
    limit = encoder.max_seq_length
    if limit is None:
        return set()
    ids = encoder.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
    return {text for text, one in zip(texts, ids, strict=True) if len(one) > limit}


def _signature(identity: CheckpointIdentity, encoder: SentenceTransformer) -> str:
    """All that is needed to make the same vectors of the same requests, as one line."""
    versions = "|".join(f"{name}:{version(name)}" for name in LIBRARIES)
    prompt = encoder.prompts.get(encoder.default_prompt_name or "")
    asked = f"prompt:{prompt!a}|" if prompt else ""
    origin = f"{identity.repo}@{identity.revision}" if identity.repo else f"sha256:{identity.sha256}"
    return f"{origin}|tokens:{encoder.max_seq_length}|{asked}norm:L2|float32|cpu|{versions}"
