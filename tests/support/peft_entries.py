"""What of PEFT is tried: each type that is no soft prompt, and LoRA's variants."""

from peft_trials import Trial
from tunings import PROJECTIONS

NORMS = ["input_layernorm", "post_attention_layernorm", "norm"]


def _on_projections(name, rate=1e-2, **keys):
    """A type that adapts the seven projections; `name` is the type's, and what is tried of it behind a comma."""
    return Trial(name, {"type": name.partition(",")[0], "target_modules": PROJECTIONS, **keys}, rate)


def _on_others(name, rate=1e-2, **keys):
    """A type that adapts other modules, or that finds its modules itself."""
    return Trial(name, {"type": name, **keys}, rate)


ENTRIES = [
    _on_projections("LORA", r=4),
    _on_projections("LORA, DoRA", r=4, use_dora=True),
    _on_projections("LORA, rsLoRA", r=4, use_rslora=True),
    _on_projections("LORA, PiSSA", 2e-3, r=4, init_lora_weights="pissa"),
    _on_projections("LORA, PiSSA by random projection", 2e-3, r=4, init_lora_weights="pissa_niter_4"),
    _on_projections("LORA, OLoRA", 2e-3, r=4, init_lora_weights="olora"),
    _on_projections("LORA, MiCA", r=4, init_lora_weights="mica"),
    _on_projections("LORA, orthogonal", r=4, init_lora_weights="orthogonal"),
    _on_projections("LORA, gaussian", r=4, init_lora_weights="gaussian"),
    _on_projections("LORA, KaSA", r=4, kasa_config={"beta": 1e-4, "gamma": 1e-3}),
    _on_projections("LORA, bias of B", r=4, lora_bias=True),
    _on_projections("LORA, ranks by layer", r=4, rank_pattern={"q_proj": 8}, alpha_pattern={"q_proj": 32}),
    _on_projections("LORA, some layers", r=4, layers_to_transform=[0, 2], layers_pattern="layers"),
    _on_projections("LORA, repeated layers", r=4, layer_replication=[[0, 2], [1, 3]]),
    _on_projections("LORA, trained tokens", r=4, trainable_token_indices=[5, 6, 7, 8, 9, 10, 11, 12]),
    _on_projections("LORA, trained norms", r=4, modules_to_save=["input_layernorm"]),
    _on_projections("LORA, trained embedding", r=4, modules_to_save=["embed_tokens"]),
    _on_projections("LORA, trained output layer", r=4, modules_to_save=["lm_head"]),
    _on_projections("LORA, aLoRA", r=4, alora_invocation_tokens=[5, 6]),
    _on_projections("LORA, MonteCLoRA", r=4, monteclora_config={}),
    _on_projections("LORA, VeLoRA", r=4, velora_config={}),
    _on_projections("LORA, EVA", r=4, init_lora_weights="eva"),
    _on_projections("LORA, CorDA", r=4, init_lora_weights="corda"),
    _on_projections("LORA, LoRA-GA", r=4, init_lora_weights="lora_ga"),
    _on_projections("LORA, LoftQ", r=4, init_lora_weights="loftq"),
    _on_projections("ADALORA", 5e-2, init_r=6, target_r=3, lora_alpha=12, tinit=2, tfinal=2, deltaT=2),
    _on_projections("ADAMSS", r=16, num_subspaces=4),
    _on_others("ADAPTION_PROMPT", 1e-1, adapter_len=8, adapter_layers=2),
    _on_projections("BEFT"),
    _on_projections("BOFT", boft_block_size=4),
    _on_projections("C3A", block_size=32),
    _on_others("CPT", cpt_token_ids=[5, 6]),
    _on_projections("DEFT", r=4),
    _on_projections("DELORA", r=4),
    _on_projections("FOURIERFT", n_frequency=200, init_weights=True),
    _on_projections("FROD"),
    _on_projections("GLORA", r=4),
    _on_projections("GRALORA", r=8),
    _on_projections("HIRA", 0.1, r=4),
    _on_projections("HRA", r=4),
    _on_others("IA3", 0.1, target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]),
    _on_projections("LILY", r=4),
    _on_others("LN_TUNING", target_modules=NORMS),
    _on_projections("LOHA", r=4),
    _on_projections("LOKR", r=4),
    _on_projections("MISS", r=4),
    _on_projections("MISS, Bat", r=4, init_weights="bat"),
    _on_projections("MISS, mini", 3e-3, r=4, init_weights="mini"),
    _on_projections("OFT", oft_block_size=16),
    _on_projections("OSF", effective_rank=8),
    _on_projections("PEANUT", r=4),
    _on_projections("POLY", r=4, n_skills=2),
    _on_projections("PSOFT", r=8),
    _on_projections("PVERA", 0.1, r=32),
    _on_projections("RANDLORA", 1e-4, r=8),
    _on_projections("ROAD", group_size=32),
    _on_others("SHADOW"),
    _on_projections("SHIRA", r=4),
    _on_projections("SUPERTUNING", sparsity=0.98),
    _on_projections("TINYLORA"),
    _on_others("TRAINABLE_TOKENS", token_indices=list(range(5, 60))),
    _on_projections("UNILORA", 0.2, r=4),
    _on_projections("VBLORA", r=4, num_vectors=32, vector_length=32),
    _on_projections("VERA", r=32),
    _on_projections("WAVEFT", 1e-3, n_frequency=200),
    _on_others("XLORA"),
]
BY_NAME = {entry.name: entry for entry in ENTRIES}
