"""What the workflow knows of PEFT's types beside their keys: what it cannot train, what it sets itself, and bounds.

The keys and their kinds of values are in workflow/schemas/peft.json, drawn from PEFT. All here is data.
"""

from typing import Any

# Types that cannot be trained by themselves on a causal language model, with the reason.
REFUSED_TYPES = {
    "ADAMSS": "it needs scikit-learn, which is not among the workflow's libraries",
    "CPT": "its loss also counts tokens of its own context, and here the loss counts completions alone; take "
    "PROMPT_TUNING, which can start from a text, too",
    "LILY": "it averages over all tokens of a batch, later ones and those of other samples, too",
    "POLY": "it needs the number of a task with each sample, which a data set here does not have",
    "SHADOW": "its second network reads whole rows, in which several texts lie here",
    "XLORA": "it mixes LoRA adapters that were trained before, and trains none",
}

# Names of methods that are keys or other names of PEFT's types.
OTHER_NAMES = {
    "DORA": "type: LORA, use_dora: true",
    "RSLORA": "type: LORA, use_rslora: true",
    "QLORA": "type: LORA, with 'quantization: nf4' beside peft",
    "PISSA": "type: LORA, init_lora_weights: pissa",
    "OLORA": "type: LORA, init_lora_weights: olora",
    "MICA": "type: LORA, init_lora_weights: mica",
    "BONE": "type: MISS, of which Bone is a part: init_weights: bat",
    "BAT": "type: MISS, init_weights: bat",
    "SOFT_PROMPT": "type: PROMPT_TUNING",
    "FULL": "'full: true' in place of peft",
}

# Keys and values that no method can have, with the reason.
NEEDS_DATA = "it needs a pass over data before the training, which the workflow does not make"
SET_ELSEWHERE = {  # keys of every type
    "peft_type": "write it as 'type'",
    "task_type": "the workflow sets it by the kind of the model",
    "inference_mode": "the workflow sets it, to false in training and true in decoding",
    "auto_mapping": "PEFT sets it",
    "peft_version": "PEFT sets it",
    "base_model_name_or_path": "the workflow sets it to the model of the run",
    "revision": "the workflow sets it to the commit of the model of the run",
}
OF_THE_MODEL = "PEFT takes it from each model"
OF_ANOTHER_TRAINING = "it is for a prompt that starts from the file of another training, which the study does not have"
REFUSED_KEYS = {  # keys of some types
    **dict.fromkeys(("token_dim", "num_layers", "num_attention_heads", "num_transformer_submodules"), OF_THE_MODEL),
    "prompt_tuning_init_state_dict_path": OF_ANOTHER_TRAINING,
    "prompt_tuning_init_task": OF_ANOTHER_TRAINING,
    "tokenizer_name_or_path": "the workflow sets it to the tokenizer of the model of the run",
    "tokenizer_kwargs": "the workflow loads tokenizers itself",
    "megatron_config": "it is for models in Megatron",
    "megatron_core": "it is for models in Megatron",
    "runtime_config": "it is for models that are partly in the memory of the CPU",
    "use_qalora": "it is for models in GPTQ",
    "qalora_group_size": "it is for models in GPTQ",
    "eva_config": NEEDS_DATA,
    "corda_config": NEEDS_DATA,
    "lora_ga_config": NEEDS_DATA,
    "loftq_config": "LoftQ needs scipy, which is not among the workflow's libraries",
    "arrow_config": "it mixes LoRA adapters that were trained before, and trains none",
    "alora_invocation_tokens": "it acts behind these tokens of a text, and several texts lie in a row here",
    "generator_seed": "what is drawn follows from the seed of the run",
    "monteclora_config": "it draws random numbers ahead, which a training that goes on cannot draw again",
    "velora_config": "it joins tokens of a row, in which several texts lie here",
}

# Keys that PEFT declares for a type and passes over without a word, with what to do instead.
PASSED_OVER = {
    "ADALORA": {
        "r": "state init_r and target_r",
        **dict.fromkeys(
            "alora_invocation_tokens alpha_pattern kasa_config layer_replication lora_bias monteclora_config "
            "rank_pattern target_parameters use_bdlora use_dora use_rslora velora_config".split(),
            "leave it out",
        ),
    },
}

REFUSED_VALUES: dict[tuple[str, Any], str] = {
    ("prompt_tuning_init", "AVERAGE_SOURCE_TASKS"): OF_ANOTHER_TRAINING,
    ("prompt_tuning_init", "EXACT_SOURCE_TASK"): OF_ANOTHER_TRAINING,
    ("prompt_tuning_init", "ONLY_SOURCE_SHARED"): OF_ANOTHER_TRAINING,
    ("init_lora_weights", "eva"): NEEDS_DATA,
    ("init_lora_weights", "corda"): NEEDS_DATA,
    ("init_lora_weights", "lora_ga"): NEEDS_DATA,
    ("sample_at_inference", True): "decoding is greedy here, and draws nothing",
    ("init_lora_weights", "loftq"): "LoftQ needs scipy, which is not among the workflow's libraries",
}

# Types whose layers cannot lie over quantised weights, with the reason.
AS_NUMBERS = "PEFT computes with them as numbers, which quantised ones are not"
REFUSED_QUANTIZED = dict.fromkeys(
    "DEFT DELORA FROD GLORA HRA OSF PEANUT PSOFT SUPERTUNING TINYLORA UNILORA".split(), AS_NUMBERS
)
# The same for weights in 4 bits, of which several lie in a number.
REFUSED_4_BIT = dict.fromkeys(("LOHA", "LOKR"), "PEFT takes their shape for the layer's, and packed ones have another")
# Keys that say nothing, or cannot be followed, where the weights are quantised.
UNQUANTIZED_KEYS = ("kasa_config", "use_bdlora", "target_parameters")
# Values of init_lora_weights that are computed from the weights as numbers of floating point.
FROM_WHOLE_WEIGHTS = ("pissa", "mica", "olora", "orthogonal")

# Keys without which a type is not what its name says, or cannot be made.
NEEDED_KEYS = {
    "ADAPTION_PROMPT": ("adapter_len", "adapter_layers"),
    "CARTRIDGE": ("num_virtual_tokens",),
    "MULTITASK_PROMPT_TUNING": ("num_virtual_tokens",),
    "P_TUNING": ("num_virtual_tokens",),
    "PREFIX_TUNING": ("num_virtual_tokens",),
    "PROMPT_TUNING": ("num_virtual_tokens",),
    "TRAINABLE_TOKENS": ("token_indices",),
}

# Types that adapt no linear layers, so that target_modules cannot be a role of these.
OTHER_LAYERS = {
    "ADAPTION_PROMPT": "whole attention modules",
    "LN_TUNING": "norms",
    "SHADOW": "whole blocks",
    "TRAINABLE_TOKENS": "embeddings",
}
MODULE_KEYS = ("target_modules", "feedforward_modules", "exclude_modules")  # whose values name modules of the model
ROLES = ("attention", "mlp")  # values of the first two that stand for modules by what they do
ALL_LINEAR = "all-linear"  # the same in PEFT itself, for target_modules

MOST = 16384  # a rank above the size of a layer adds nothing, and no context is longer than its virtual tokens
LARGEST = 2**63 - 1
ONE = (
    "adapter_layers asa_target_subspaces block_size block_size_pattern boft_n_butterfly_factor buffer_size deltaT "
    "encoder_hidden_size encoder_num_layers gralora_k group_size mask_interval n_frequency n_frequency_pattern nblocks "
    "num_cayley_neumann_terms num_groups num_ranks num_samples num_subspaces "
    "num_tasks num_vectors psoft_svd_lowrank_niter shadow_hidden_size shadow_intermediate_size "
    "shadow_num_attention_heads shadow_num_hidden_layers stride_A subspace_rank theta_d_length topk "
    "total_step u update_hidden_size vector_length"
)
ZERO = (
    "alora_invocation_tokens auxiliary_loss_weight boft_block_num boft_block_size depth final_warmup "
    "generator_seed hybrid_r init_warmup layer_replication layers_to_transform num_frozen_tokens oft_block_size "
    "orth_reg_weight proj_seed projection_prng_key projection_seed random_loc_seed random_seed regularization_alpha "
    "tfinal tinit token_indices trainable_token_indices"
)
# The lowest value that makes sense and the highest, by key, or type and key; of lists and mappings, for their numbers.
BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(ONE.split(), (1, LARGEST)),
    **dict.fromkeys(("r", "init_r", "mini_r", "target_r", "rank_pattern"), (1, MOST)),
    **dict.fromkeys(("num_virtual_tokens", "adapter_len"), (1, MOST)),
    **dict.fromkeys(ZERO.split(), (0, LARGEST)),
    **dict.fromkeys(("asa_importance_beta", "asa_uncertainty_beta", "sparse_rate", "tau", "weight_tying"), (0, 1)),
    "OFT.r": (0, MOST),  # zero leaves the number of blocks to oft_block_size
    "OSF.rank_pattern": (0, LARGEST),  # may be shares
    "OFT.num_cayley_neumann_terms": (2, LARGEST),  # with one term nothing turns
    "num_B": (2, LARGEST),
}
# Keys whose name is or ends in one of these hold a share of at least 0 and below 1.
SHARES = ("dropout", "sparsity", "beta1", "beta2")
# Other keys whose name is or ends in one of these hold numbers above 0: with 0 nothing is learnt.
ABOVE_ZERO = tuple(
    "alpha alpha_pattern beta1 beta2 delora_lambda dirichlet_prior effective_rank eps init_theta_d_bound "
    "lambda_pattern scale scaling".split()
)
SCALES = "alpha"  # ends keys that PEFT declares as integers, but divides by the rank: any number is of use
# What the values of a mapping are, where PEFT says no more than that there is one.
PATTERNS = {
    "rank_pattern": "integer",
    "n_frequency_pattern": "integer",
    "block_size_pattern": "integer",
    "alpha_pattern": "number",
    "lambda_pattern": "number",
}
# Keys that PEFT declares to take null and then fails with it, where that is not its default.
NEVER_NULL = (*PATTERNS, "random_loc_seed", "num_ranks", "num_tasks")
