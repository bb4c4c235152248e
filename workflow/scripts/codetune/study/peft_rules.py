"""What PEFT refuses of keys that are right one by one, or passes over without a word."""

import re
from collections.abc import Callable
from typing import Any

from codetune.study.mistakes import find_similar, quote, shorten
from codetune.study.peft_types import ALL_LINEAR, MODULE_KEYS, OTHER_LAYERS, PATTERNS, ROLES
from codetune.study.tunings import SOFT_PROMPTS

EMBEDDINGS = ("embed_tokens", "embed_in", "wte", "word_embeddings")  # what families call the embedding of tokens
Keys = dict[str, Any]  # by name; what a method does not state with PEFT's default
Found = tuple[str, str] | None  # a key and what is wrong with its value; None if nothing is
NAME = re.compile(r"[\w.-]+")  # of a module, or the last parts of its path
# LoRA's variants, of which a layer can be one.
VARIANTS = (
    "use_dora",
    "use_bdlora",
    "alora_invocation_tokens",
    "velora_config",
    "monteclora_config",
    "kasa_config",
)
# Types that refuse layers_to_transform beside all-linear; the others look for the linear layers first.
NOT_ALL_LINEAR = "LORA ADALORA C3A DEFT DELORA FOURIERFT HIRA HRA MISS PSOFT SHADOW UNILORA WAVEFT".split()


def find_contradiction(kind: str, keys: Keys) -> Found:
    """Finds the first key whose value does not go with the others, or does not name modules.

    Args:
        kind: The type of PEFT.
        keys: All its keys, each with the value that PEFT would take.
    """
    for key in MODULE_KEYS:
        if key in keys and (said := _find_in_modules(kind, key, keys[key])):
            return key, said
    for key in PATTERNS:
        for name in keys.get(key) or ():
            if said := _find_in_expression(name):
                return key, said
    if kind in SOFT_PROMPTS and keys.get("modules_to_save"):
        return "modules_to_save", "leave it out; a soft prompt leaves the model as it is"
    return _layers(kind, keys) or _tokens(keys) or (RULES[kind](keys) if kind in RULES else None)


def _find_in_modules(kind: str, key: str, value: Any) -> str | None:
    """What is wrong with a value that names modules: a list of names, or a text."""
    if value in ("", []) and key == "target_modules":
        return f"{quote(value)} is empty"
    names = value if isinstance(value, list) else [value]
    role = next((name for name in names if name in (*ROLES, ALL_LINEAR)), None)
    if role and kind in OTHER_LAYERS:
        return f"{quote(role)} stands for linear layers, but {kind} adapts {OTHER_LAYERS[kind]}; name some of these"
    if isinstance(value, list):
        return _find_in_list(value)
    if value is None or role in ROLES or (kind, key) == ("ADAPTION_PROMPT", "target_modules"):
        return None
    if role == ALL_LINEAR and key == "target_modules":
        return None
    if role == ALL_LINEAR:
        return f"{ALL_LINEAR} is PEFT's word for target_modules; write {' or '.join(ROLES)}, or a list of names"
    return _find_in_pattern(value)


def _find_in_list(names: list[str]) -> str | None:
    for name in names:
        if name == ALL_LINEAR:
            return f"{ALL_LINEAR} stands alone; write it without the list"
        if not NAME.fullmatch(name):
            return (
                f"{quote(name)} is no name of a module, and in a list PEFT looks for names; "
                "write a regular expression without the list"
            )
    return None


def _find_in_pattern(text: str) -> str | None:
    """What is wrong with a text, which PEFT takes for a regular expression that has to match a module's whole path."""
    known = find_similar(text, [*ROLES, ALL_LINEAR])
    if known:
        return f"{quote(text)} is a regular expression to PEFT{known}"
    parts = [part for part in re.split(r"[\s,;\[\]]+", text) if part]
    if parts and all(NAME.fullmatch(part) for part in parts):
        written = f"write a list: [{shorten(', '.join(parts))}]"
        return f"{quote(text)} is a regular expression to PEFT, which whole paths have to match; {written}"
    return _find_in_expression(text)


def _find_in_expression(text: str) -> str | None:
    try:
        re.compile(text)
    except re.error as error:
        return f"{quote(text)} is no regular expression: {error}"
    return None


def _layers(kind: str, keys: Keys) -> Found:
    """The keys that choose layers by their number."""
    if keys.get("layers_to_transform") == []:
        return "layers_to_transform", "[] is empty; leave it out for all layers"
    if keys.get("layers_to_transform") is None:
        if keys.get("layers_pattern"):
            return "layers_pattern", "it says nothing without layers_to_transform; add that, or leave it out"
        return None
    target = keys["target_modules"]
    if isinstance(target, str) and target not in ROLES and (target != ALL_LINEAR or kind in NOT_ALL_LINEAR):
        said = f"it does not go with target_modules: {shorten(target)}; write a list of modules there, or {ROLES[0]}"
        return "layers_to_transform", said
    return None


def _tokens(keys: Keys) -> Found:
    """The tokens that are trained, each by its number."""
    for key in ("token_indices", "trainable_token_indices"):
        value = keys.get(key)
        for numbers in value.values() if isinstance(value, dict) else [value or []]:
            if twice := next((number for number in numbers if numbers.count(number) > 1), None):
                return key, f"token {twice} is listed twice; leave one out"
        if value:
            named = value if isinstance(value, dict) else EMBEDDINGS
            if both := sorted({*named} & {*(keys.get("modules_to_save") or ())}):
                return key, f"all tokens of {both[0]} are trained already, by modules_to_save; leave one of the two out"
    return None


def _lora(keys: Keys) -> Found:
    variants = [key for key in VARIANTS if keys[key]] + ["mica"] * (keys["init_lora_weights"] == "mica")
    if len(variants) > 1:
        return variants[1], f"a layer cannot be this and {variants[0]}; leave one of the two out"
    if keys["lora_bias"] and keys["use_dora"]:
        return "lora_bias", "it does not go with use_dora; leave one of the two out"
    start = keys["init_lora_weights"]
    if keys["lora_bias"] and not isinstance(start, bool):
        return "lora_bias", f"it does not go with init_lora_weights: {start}; leave one of the two out"
    if keys["init_lora_weights"] == "orthogonal" and keys["r"] % 2:
        return "r", f"{keys['r']} is odd, and init_lora_weights: orthogonal needs an even rank"
    for first, behind in keys["layer_replication"] or ():
        if first >= behind:
            said = f"[{first}, {behind}] holds no layer: it goes from the first up to, and without, the second"
            return "layer_replication", said
    for key in ("lora_dropout", "fan_in_fan_out", "lora_bias", "use_dora", "velora_config", "kasa_config"):
        if keys["target_parameters"] and keys[key]:
            return key, "it does not go with target_parameters; leave one of the two out"
    return None


def _adalora(keys: Keys) -> Found:
    if isinstance(keys["init_lora_weights"], str):
        return "init_lora_weights", f"{quote(keys['init_lora_weights'])} says nothing to ADALORA; write true or false"
    if keys["total_step"] is not None and keys["tinit"] >= keys["total_step"] - keys["tfinal"]:
        return "tinit", "tinit and tfinal leave no steps of total_step to lower ranks in; make one of them smaller"
    if keys["target_r"] >= keys["init_r"]:
        return "target_r", f"{keys['target_r']} is not below init_r, {keys['init_r']}: ranks are only lowered"
    return None


def _ia3(keys: Keys) -> Found:
    target, forward = keys["target_modules"], keys["feedforward_modules"]
    named = [names for names in (target, forward) if isinstance(names, list) and not {*names} & {*ROLES}]
    other = [name for name in forward if name not in target] if len(named) == 2 else []
    if other:
        return "feedforward_modules", f"{quote(other[0])} is not among target_modules; add it there, or leave it out"
    return None


def _blocks(one: str, other: str) -> Callable[[Keys], Found]:
    """The rule of types that divide a layer by the number of blocks or by their size: one of both is zero."""

    def rule(keys: Keys) -> Found:
        if bool(keys[one]) != bool(keys[other]):
            return None
        shown = f"{one} is {keys[one]} and {other} is {keys[other]}"
        return one, f"{shown}; one of the two has to be 0, since the other follows from it"

    return rule


def _gralora(keys: Keys) -> Found:
    if keys["r"] % keys["gralora_k"]:
        return "r", f"{keys['r']} is not a multiple of gralora_k, {keys['gralora_k']}"
    return None


def _cartridge(keys: Keys) -> Found:
    if keys["num_frozen_tokens"] >= keys["num_virtual_tokens"]:
        said = f"{keys['num_frozen_tokens']} is not below num_virtual_tokens, {keys['num_virtual_tokens']}: nothing "
        return "num_frozen_tokens", said + "would be trained"
    return None


def _prefix_tuning(keys: Keys) -> Found:
    if keys["encoder_hidden_size"] is not None and not keys["prefix_projection"]:
        said = "it says nothing without prefix_projection: true; add that, or leave it out"
        return "encoder_hidden_size", said
    return None


def _p_tuning(keys: Keys) -> Found:
    if keys["encoder_reparameterization_type"] == "MLP":
        for key, default in (("encoder_num_layers", 2), ("encoder_dropout", 0)):
            if keys[key] != default:
                said = "it says nothing to the encoder of the type MLP; leave it out, or take LSTM"
                return key, said
    return None


def _prompt_tuning(keys: Keys) -> Found:
    text = keys["prompt_tuning_init_text"]
    if keys["prompt_tuning_init"] == "TEXT" and not text:
        return "prompt_tuning_init", "TEXT needs prompt_tuning_init_text; add that"
    if keys["prompt_tuning_init"] != "TEXT" and text is not None:
        return "prompt_tuning_init_text", "it says nothing without prompt_tuning_init: TEXT; add that, or leave it out"
    return None


def _ln_tuning(keys: Keys) -> Found:
    saved = keys["modules_to_save"]
    if isinstance(saved, str):  # whose letters PEFT takes for names
        return "modules_to_save", f"{quote(saved)} is text; write a list: [{shorten(saved)}]"
    return None


def _psoft(keys: Keys) -> Found:
    epsilon = keys["cayley_neumann_eps"]
    if epsilon is not None and (not keys["use_cayley_neumann"] or not epsilon < 1):
        return "cayley_neumann_eps", "it has to be below 1, and says nothing without use_cayley_neumann: true"
    return None


def _road(keys: Keys) -> Found:
    if keys["group_size"] % 2:
        return "group_size", f"{keys['group_size']} is odd, but values are turned in pairs"
    return None


def _supertuning(keys: Keys) -> Found:
    if keys["r"] is None and keys["lora_alpha"] is not None:
        return "lora_alpha", "it says nothing without r; add that, or leave it out"
    return None


def _trainable_tokens(keys: Keys) -> Found:
    return None if keys["token_indices"] else ("token_indices", "[] is empty: no token would be trained")


def _vblora(keys: Keys) -> Found:
    if keys["topk"] > keys["num_vectors"]:
        return "topk", f"{keys['topk']} is above num_vectors, {keys['num_vectors']}"
    return None


RULES: dict[str, Callable[[Keys], Found]] = {
    "ADALORA": _adalora,
    "BOFT": _blocks("boft_block_size", "boft_block_num"),
    "CARTRIDGE": _cartridge,
    "GRALORA": _gralora,
    "IA3": _ia3,
    "LN_TUNING": _ln_tuning,
    "LORA": _lora,
    "MULTITASK_PROMPT_TUNING": _prompt_tuning,
    "OFT": _blocks("r", "oft_block_size"),
    "P_TUNING": _p_tuning,
    "PREFIX_TUNING": _prefix_tuning,
    "PROMPT_TUNING": _prompt_tuning,
    "PSOFT": _psoft,
    "ROAD": _road,
    "SUPERTUNING": _supertuning,
    "TRAINABLE_TOKENS": _trainable_tokens,
    "VBLORA": _vblora,
}
