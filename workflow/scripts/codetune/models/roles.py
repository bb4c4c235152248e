"""The linear layers of each type of model by what they do, and the names that PEFT finds them by."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codetune.base.errors import StudyError
from codetune.study.peft_types import ALL_LINEAR, MODULE_KEYS, ROLES


class Layers(NamedTuple):
    """The linear layers of a layer of the model, each with its path in it.

    Attributes:
        attention: Projections of the attention, into it before out of it.
        mlp: Those of the feed-forward network; none where experts take its place, which are no linear layers.
    """

    attention: list[str]
    mlp: list[str]


def _layers(attention: str, mlp: str = "") -> Layers:
    """Reads `module: layer layer ...`."""

    def paths(text: str) -> list[str]:
        module, _, names = text.partition(":")
        return [f"{module}.{name}".removeprefix(".") for name in names.split()]

    return Layers(paths(attention), paths(mlp))


FOUR = "self_attn: q_proj k_proj v_proj o_proj"
SEVEN = _layers(FOUR, "mlp: gate_proj up_proj down_proj")
GPT2 = _layers("attn: c_attn c_proj", "mlp: c_fc c_proj")  # of transformers' Conv1D, which PEFT takes for linear
FUSED = "query_key_value dense"
FOUR_H = "mlp: dense_h_to_4h dense_4h_to_h"
OUT = "self_attn: q_proj k_proj v_proj out_proj"
T5 = [f"{module}.{name}" for module in ("SelfAttention", "EncDecAttention") for name in "qkvo"]  # the latter: decoder
# By `layers_type`. Others (layers of several kinds, images beside text) are known once the model is made.
LAYERS: dict[str, Layers] = {
    **dict.fromkeys(
        "cohere cohere2 cwm diffllama ernie4_5 exaone4 gemma gemma2 gemma3_text granite helium "
        "hyperclovax internlm3 llama ministral3 mistral olmo olmo2 olmo3 qwen2 qwen3 seed_oss smollm3 stablelm "
        "vaultgemma".split(),
        SEVEN,
    ),
    **dict.fromkeys("flex_olmo gpt_oss granitemoe minimax_m2 mixtral olmoe qwen3_moe".split(), _layers(FOUR)),
    **dict.fromkeys(("apertus", "arcee", "jais2"), _layers(FOUR, "mlp: up_proj down_proj")),
    **dict.fromkeys(("gpt2", "gpt_bigcode", "openai-gpt"), GPT2),
    **dict.fromkeys(("glm", "glm4"), _layers(FOUR, "mlp: gate_up_proj down_proj")),
    **dict.fromkeys(("bloom", "falcon"), _layers(f"self_attention: {FUSED}", FOUR_H)),
    **dict.fromkeys(("biogpt", "opt", "xglm"), _layers(OUT, ": fc1 fc2")),
    "codegen": _layers("attn: qkv_proj out_proj", "mlp: fc_in fc_out"),
    "gpt_neo": _layers("attn.attention: q_proj k_proj v_proj out_proj", "mlp: c_fc c_proj"),
    "gpt_neox": _layers(f"attention: {FUSED}", FOUR_H),
    "gptj": _layers("attn: q_proj k_proj v_proj out_proj", "mlp: fc_in fc_out"),
    "mpt": _layers("attn: Wqkv out_proj", "ffn: up_proj down_proj"),
    "nanochat": _layers(FOUR, "mlp: fc1 fc2"),
    "persimmon": _layers(f"self_attn: {FUSED}", FOUR_H),
    "phi": _layers("self_attn: q_proj k_proj v_proj dense", "mlp: fc1 fc2"),
    "phi3": _layers("self_attn: qkv_proj o_proj", "mlp: gate_up_proj down_proj"),
    "starcoder2": _layers(FOUR, "mlp: c_fc c_proj"),
    "t5": Layers(T5, ["DenseReluDense.wi", "DenseReluDense.wo"]),
    "t5, gated": Layers(T5, ["DenseReluDense.wi_0", "DenseReluDense.wi_1", "DenseReluDense.wo"]),
}


def layers_type(config: Mapping[str, Any]) -> str | None:
    """Returns which layers a model has: its model_type, and of a T5 whether its feed-forward network is gated.

    Args:
        config: Content of its config.json.
    """
    kind = config.get("model_type")
    gated = str(config.get("feed_forward_proj", "")).startswith("gated")
    return f"{kind}, gated" if gated else kind


def linear_paths(model_type: str | None) -> list[str] | None:
    """Returns the paths of the linear layers in a layer of the model; None where a type of model is not known."""
    known = LAYERS.get(model_type or "")
    return [*known.attention, *known.mlp] if known else None


def linear_names(model_type: str | None) -> list[str] | None:
    """Returns the shortest names by which PEFT tells these layers apart; None where a type of model is not known."""
    paths = linear_paths(model_type)
    return None if paths is None else _shortest(paths, paths)


def resolve_roles(peft: dict[str, Any], model_type: str | None, model: str) -> dict[str, Any]:
    """Puts the names of layers in the place of roles: `target_modules: attention` is q_proj, ... on a Llama.

    Args:
        peft: A method's keys of PEFT.
        model_type: Of the model, by `layers_type`.
        model: Its name, for the message.

    Returns:
        The keys as PEFT takes them; `all-linear` stays, which is PEFT's own.

    Raises:
        StudyError: It is not known which layers of such a model have the role.
    """
    resolved = dict(peft)
    for key in MODULE_KEYS:
        value = peft.get(key)
        names = value if isinstance(value, list) else [value]
        if any(name in ROLES for name in names):
            parts = [_named(name, key, model_type, model) if name in ROLES else [name] for name in names]
            resolved[key] = list(dict.fromkeys(name for part in parts for name in part))
    return resolved


def _named(role: str, key: str, model_type: str | None, model: str) -> list[str]:
    """The names of the layers that have a role."""
    layers = LAYERS.get(model_type or "")
    found = getattr(layers, role, [])
    if not found:
        why = "it has experts, which are no linear layers" if layers else "its layers are not known by what they do"
        instead = f"{ALL_LINEAR}, or a list of names" if key == "target_modules" else "a list of names"
        raise StudyError(f"{key}: {role} says nothing for {model}, a {model_type}: {why}. Write {instead}.")
    return _shortest(found, linear_paths(model_type) or [])


def _shortest(paths: Sequence[str], among: Sequence[str]) -> list[str]:
    """The shortest ends of some paths that no other path among all has."""
    lasts = [path.rpartition(".")[2] for path in among]
    return [last if lasts.count(last := path.rpartition(".")[2]) == 1 else path for path in paths]
