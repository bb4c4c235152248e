"""Mistakes in a method's `peft`: each is one line at the start that names the key and what to write."""

import subprocess
import sys
import time

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.study.peft_keys import check_peft, read_types, respell_lora
from conftest import ROOT

ACCEPTED = """\
{type: LORA, r: 8, lora_alpha: 16, lora_dropout: 0.05, target_modules: [q_proj, v_proj]}
{type: LORA, lora_alpha: 0.5, lora_dropout: 0, target_modules: null}
{type: LORA, target_modules: all-linear, use_dora: true, use_rslora: true}
{type: LORA, target_modules: attention, layers_to_transform: [0, 1]}
{type: LORA, target_modules: [attention, down_proj], exclude_modules: [o_proj]}
{type: LORA, target_modules: '.*\\.(q|v)_proj'}
{type: LORA, init_lora_weights: true}
{type: LORA, init_lora_weights: gaussian}
{type: LORA, init_lora_weights: pissa_niter_16}
{type: LORA, rank_pattern: {q_proj: 4}, alpha_pattern: {q_proj: 0.5}}
{type: LORA, layer_replication: [[0, 2], [1, 3]]}
{type: LORA, trainable_token_indices: {embed_tokens: [3]}, modules_to_save: [lm_head]}
{type: LORA, target_modules: null, target_parameters: [mlp.experts.down_proj]}
{type: ADALORA, init_r: 12, target_r: 4, tinit: 10, tfinal: 20, deltaT: 5}
{type: IA3, target_modules: [k_proj, v_proj, down_proj], feedforward_modules: [down_proj]}
{type: IA3, target_modules: all-linear, feedforward_modules: mlp}
{type: PROMPT_TUNING, num_virtual_tokens: 20, prompt_tuning_init: TEXT, prompt_tuning_init_text: Write code.}
{type: P_TUNING, num_virtual_tokens: 20, encoder_reparameterization_type: LSTM, encoder_hidden_size: 128}
{type: PREFIX_TUNING, num_virtual_tokens: 10, prefix_projection: true}
{type: OFT, r: 8, oft_block_size: 0}
{type: OSF, effective_rank: 0.5, rank_pattern: {q_proj: 0.25}}
{type: LN_TUNING, target_modules: [input_layernorm, norm]}
{type: ADAPTION_PROMPT, adapter_len: 10, adapter_layers: 2, target_modules: self_attn}
{type: LOKR, decompose_factor: -1, init_weights: lycoris}
{type: TRAINABLE_TOKENS, token_indices: [0, 5], target_modules: [embed_tokens]}
""".splitlines()

# A method's `peft` as a user writes it, and below a part of the message.
MISTAKES = """\
# Types.
{r: 8}
    config: methods.x.peft: the key 'type' is missing; add one of PEFT's types, as in type: LORA
{type: lora}
    methods.x.peft.type: "lora" is no type of PEFT's; did you mean "LORA"?
{type: Prefix-Tuning}
    did you mean "PREFIX_TUNING"?
{type: DORA}
    "DORA" is no type of PEFT's; write type: LORA, use_dora: true
{type: qlora}
    write type: LORA, with 'quantization: nf4' beside peft
{type: BONE}
    write type: MISS, of which Bone is a part: init_weights: bat
{type: full}
    write 'full: true' in place of peft
{type: 3}
    3 is no type of PEFT's; known: LORA, ADALORA,
{type: [LORA]}
    ["LORA"] is no type of PEFT's
{type: XLORA}
    XLORA cannot be trained here: it mixes LoRA adapters that were trained before
{type: POLY}
    POLY cannot be trained here: it needs the number of a task with each sample
# Keys.
{type: IA3, feedfoward_modules: [x]}
    peft: 'feedfoward_modules' is unknown; did you mean 'feedforward_modules'?
{type: IA3, r: 8}
    peft: 'r' is unknown; known: target_modules, exclude_modules, feedforward_modules
{type: IA3, r: 8, lora_alpha: 16, lora_dropout: 0.05, target_modules: attention}
    peft: r, lora_alpha, lora_dropout are keys of LORA, not of IA3. If another config file has a method of this name
{type: LORA, alpha: 8}
    'alpha' is unknown; did you mean 'lora_alpha'?
{type: LORA, R: 8}
    'R' is unknown; did you mean 'r'?
{type: LORA, 3: 4}
    peft: '3' is unknown; known: r,
{type: VERA, on: 3}
    peft: 'True' is unknown
{type: LORA, task_type: CAUSAL_LM}
    peft.task_type: leave it out; the workflow sets it
{type: LORA, inference_mode: false}
    peft.inference_mode: leave it out; the workflow sets it
{type: LORA, base_model_name_or_path: x}
    leave it out; the workflow sets it to the model of the run
{type: IA3, peft_type: IA3}
    peft.peft_type: leave it out; write it as 'type'
{type: LORA, eva_config: {rho: 2.0}}
    peft.eva_config: leave it out; it needs a pass over data
{type: LORA, use_qalora: true}
    peft.use_qalora: leave it out; it is for models in GPTQ
{type: ADALORA, r: 8}
    peft.r: it says nothing to ADALORA; state init_r and target_r
{type: PROMPT_TUNING}
    the key 'num_virtual_tokens' is missing, and PROMPT_TUNING needs it; add it
{type: PREFIX_TUNING, num_virtual_tokens: null}
    peft.num_virtual_tokens: null is not an integer
{type: TRAINABLE_TOKENS}
    the key 'token_indices' is missing
# Kinds of values, and what YAML makes of them.
{type: LORA, r: 8.0}
    peft.r: 8.0 is not an integer; write 8 (Lora attention dimension)
{type: LORA, r: 8.5}
    peft.r: 8.5 is not an integer (Lora
{type: LORA, r: "8"}
    "8" is not an integer; write 8 without quotes
{type: LORA, r: true}
    peft.r: true is not an integer
{type: LORA, r: [8]}
    peft.r: [8] is not an integer
{type: LORA, lora_dropout: 5e-2}
    YAML takes 5e-2 for text, write 0.05
{type: LORA, lora_alpha: 1e1}
    YAML takes 1e1 for text, write 10.0
{type: LORA, lora_dropout: .nan}
    peft.lora_dropout: NaN is not a number
{type: LORA, lora_alpha: .inf}
    peft.lora_alpha: Infinity is not a number
{type: LORA, use_dora: 1}
    peft.use_dora: 1 is not true or false
{type: LORA, use_dora: "true"}
    "true" is text in YAML; write true without quotes
{type: LORA, target_modules: None}
    "None" is text in YAML; write null, or leave the key out
{type: LORA, bias: None}
    "None" is not one of none, all, lora_only; did you mean "none"?
{type: BOFT, bias: lora_only}
    not one of none, all, boft_only
{type: LORA, init_lora_weights: pisa}
    gaussian, olora, pissa, orthogonal, mica, pissa_niter_[0-9]+; did you mean "pissa"?
{type: LORA, init_lora_weights: eva}
    "eva" cannot be taken: it needs a pass over data before the training
{type: PROMPT_TUNING, num_virtual_tokens: 4, prompt_tuning_init: text}
    not one of TEXT, SAMPLE_VOCAB, RANDOM; did you mean "TEXT"
{type: LORA, rank_pattern: {q_proj: 4.0}}
    peft.rank_pattern.q_proj: 4.0 is not an integer; write 4
{type: LORA, rank_pattern: [4]}
    peft.rank_pattern: [4] is not a mapping of keys to values
{type: LORA, rank_pattern: null}
    peft.rank_pattern: null is not a mapping of keys to values
{type: FOURIERFT, random_loc_seed: null}
    peft.random_loc_seed: null is not an integer
{type: MULTITASK_PROMPT_TUNING, num_virtual_tokens: 4, num_tasks: null}
    peft.num_tasks: null is not an integer
{type: LORA, kasa_config: {bet: 1}}
    peft.kasa_config: "bet" is unknown; did you mean "beta"?
{type: LORA, layer_replication: [[0, 2, 3]]}
    peft.layer_replication[0]: [0, 2, 3] does not have 2 items
{type: LORA, layers_to_transform: '0'}
    "0" is not an integer, a list of integers or null; write 0 without quotes
{type: LORA, target_modules: [q_proj, 1]}
    peft.target_modules[1]: 1 is not text; put it in quotes
{type: LORA, modules_to_save: lm_head}
    "lm_head" is not a list of names or null; write a list: [lm_head]
# Values that make no sense.
{type: LORA, r: 0}
    peft.r: 0 is below 1
{type: LORA, r: -8}
    peft.r: -8 is below 1
{type: LORA, r: 100000}
    peft.r: 100000 is above 16384
{type: LORA, lora_alpha: 0}
    peft.lora_alpha: 0 is not above 0
{type: LORA, lora_dropout: 1}
    peft.lora_dropout: 1 is not a share of at least 0 and below 1
{type: ADALORA, beta1: 0}
    peft.beta1: 0 is not above 0
{type: OFT, num_cayley_neumann_terms: 1}
    peft.num_cayley_neumann_terms: 1 is below 2
{type: LOHA, rank_dropout: -0.1}
    peft.rank_dropout: -0.1 is not a share of at least 0 and below 1
{type: LORA, rank_pattern: {q_proj: 0}}
    peft.rank_pattern: 0 is below 1
{type: LORA, layers_to_transform: [0, -1]}
    peft.layers_to_transform: -1 is below 0
{type: LORA, use_bdlora: {nblocks: 0}}
    peft.use_bdlora.nblocks: 0 is below 1
{type: PREFIX_TUNING, num_virtual_tokens: 0}
    peft.num_virtual_tokens: 0 is below 1
{type: TRAINABLE_TOKENS, token_indices: []}
    peft.token_indices: [] is empty
{type: TRAINABLE_TOKENS, token_indices: [-1]}
    peft.token_indices: -1 is below 0
{type: FOURIERFT, n_frequency: 0}
    peft.n_frequency: 0 is below 1
# Modules.
{type: LORA, target_modules: []}
    peft.target_modules: [] is empty
{type: LORA, target_modules: ''}
    peft.target_modules: "" is empty
{type: LORA, target_modules: q_proj}
    "q_proj" is a regular expression to PEFT, which whole paths have to match; write a list: [q_proj]
{type: LORA, target_modules: 'q_proj, v_proj'}
    write a list: [q_proj, v_proj]
{type: LORA, target_modules: '.*(q|v_proj'}
    is no regular expression: missing )
{type: LORA, target_modules: ['.*q_proj']}
    in a list PEFT looks for names; write a regular expression without the list
{type: LORA, target_modules: [all-linear]}
    all-linear stands alone; write it without the list
{type: LORA, target_modules: all_linear}
    did you mean "all-linear"?
{type: LORA, target_modules: Attention}
    did you mean "attention"?
{type: IA3, feedforward_modules: all-linear}
    all-linear is PEFT's word for target_modules; write attention or mlp
{type: LN_TUNING, target_modules: all-linear}
    stands for linear layers, but LN_TUNING adapts norms
# Keys that do not go together.
{type: LORA, rank_pattern: {"(": 8}}
    methods.x.peft.rank_pattern: "(" is no regular expression: missing )
{type: LORA, layer_replication: [[0, 2], [3, 1]]}
    methods.x.peft.layer_replication: [3, 1] holds no layer
{type: TRAINABLE_TOKENS, token_indices: [5, 6, 5]}
    methods.x.peft.token_indices: token 5 is listed twice; leave one out
{type: LORA, trainable_token_indices: {embed_tokens: [7, 7]}}
    methods.x.peft.trainable_token_indices: token 7 is listed twice
{type: LORA, trainable_token_indices: [7], modules_to_save: [embed_tokens]}
    methods.x.peft.trainable_token_indices: all tokens of embed_tokens are trained already, by modules_to_save
{type: PROMPT_TUNING, num_virtual_tokens: 4, modules_to_save: [lm_head]}
    methods.x.peft.modules_to_save: leave it out; a soft prompt leaves the model as it is
{type: CARTRIDGE, num_virtual_tokens: 4, num_frozen_tokens: 4}
    methods.x.peft.num_frozen_tokens: 4 is not below num_virtual_tokens, 4: nothing would be trained
{type: PREFIX_TUNING, num_virtual_tokens: 4, encoder_hidden_size: 32}
    methods.x.peft.encoder_hidden_size: it says nothing without prefix_projection: true
{type: P_TUNING, num_virtual_tokens: 4, encoder_num_layers: 5}
    methods.x.peft.encoder_num_layers: it says nothing to the encoder of the type MLP; leave it out, or take LSTM
{type: LN_TUNING, modules_to_save: lm_head}
    peft.modules_to_save: "lm_head" is text; write a list: [lm_head]
{type: LORA, layers_pattern: layers}
    peft.layers_pattern: it says nothing without layers_to_transform
{type: VERA, layers_pattern: layers}
    peft.layers_pattern: it says nothing without layers_to_transform
{type: LORA, layers_to_transform: []}
    peft.layers_to_transform: [] is empty; leave it out for all layers
{type: LORA, layers_to_transform: 0, target_modules: all-linear}
    it does not go with target_modules: all-linear
{type: VERA, layers_to_transform: 0, target_modules: '.*q_proj'}
    it does not go with target_modules: .*q_proj
{type: LORA, use_dora: true, lora_bias: true}
    peft.lora_bias: it does not go with use_dora
{type: LORA, use_dora: true, kasa_config: {beta: 1}}
    peft.kasa_config: a layer cannot be this and use_dora
{type: LORA, init_lora_weights: orthogonal, r: 7}
    peft.r: 7 is odd, and init_lora_weights: orthogonal needs an even
{type: LORA, target_parameters: [w], lora_dropout: 0.1}
    peft.lora_dropout: it does not go with target_parameters
{type: OFT, r: 8}
    peft.r: r is 8 and oft_block_size is 32; one of the two has to be 0
{type: ADALORA, target_r: 16}
    peft.target_r: 16 is not below init_r, 12: ranks are only lowered
{type: ADALORA, init_lora_weights: pissa}
    "pissa" says nothing to ADALORA; write true or false
{type: IA3, target_modules: [k_proj], feedforward_modules: [w]}
    "w" is not among target_modules; add it there
{type: PVERA, sample_at_inference: true}
    true cannot be taken: decoding is greedy here
{type: LORA, alora_invocation_tokens: [5]}
    leave it out; it acts behind these tokens of a text, and several texts lie in a row here
{type: LILY}
    LILY cannot be trained here: it averages over all tokens of a batch
{type: PROMPT_TUNING, num_virtual_tokens: 4, prompt_tuning_init_text: x}
    it says nothing without prompt_tuning_init: TEXT
"""
LINES = [line for line in MISTAKES.splitlines() if not line.startswith("#")]
REFUSED = list(zip(LINES[::2], map(str.strip, LINES[1::2]), strict=True))


@pytest.mark.parametrize("written", ACCEPTED)
def test_what_peft_takes_is_accepted(written):
    check_peft("methods.x.peft", yaml.safe_load(written), "none")


@pytest.mark.parametrize(("written", "said"), REFUSED)
def test_a_mistake_is_one_line_that_names_the_key(written, said):
    with pytest.raises(StudyError) as found:
        check_peft("methods.x.peft", yaml.safe_load(written), "none")
    assert said in str(found.value)
    assert str(found.value).startswith("config: methods.x.peft")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("start", ["pissa", "pissa_niter_4", "mica"])
def test_a_start_from_whole_weights_needs_them(start):
    peft = {"type": "LORA", "init_lora_weights": start}
    check_peft("methods.x.peft", peft, "none")
    for quantization in ("int8", "nf4", "fp4"):
        with pytest.raises(StudyError, match=f"but these are in {quantization}; write quantization: none"):
            check_peft("methods.x.peft", peft, quantization)
        check_peft("methods.x.peft", {"type": "LORA", "init_lora_weights": "gaussian"}, quantization)


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        (
            {"r": 8, "alpha": 16, "dropout": 0.05, "target_modules": ["q_proj", "v_proj"]},
            "peft: {type: LORA, r: 8, lora_alpha: 16, lora_dropout: 0.05, target_modules: [q_proj, v_proj]}",
        ),
        ({"r": 16}, "peft: {type: LORA, r: 16}"),
        ({"alpha": 0.5, "use_dora": True}, "peft: {type: LORA, lora_alpha: 0.5, use_dora: true}"),
        (None, "peft: {type: LORA, r: 8, lora_alpha: 16, target_modules: all-linear}"),
    ],
)
def test_the_old_key_gives_the_new_spelling_from_the_user_s_values(lora, said):
    error = str(respell_lora("methods.x", lora))
    assert error == f"config: methods.x.lora: 'lora' is now 'peft', with PEFT's own keys. Write {said}"
    written = yaml.safe_load("{" + error.partition("Write ")[2] + "}")
    check_peft("methods.x.peft", written["peft"], "nf4")


def test_the_check_takes_milliseconds_and_loads_no_library():
    read_types.cache_clear()
    begun = time.process_time()
    check_peft("methods.x.peft", {"type": "LORA", "r": 8, "target_modules": ["q_proj"]}, "nf4")
    assert time.process_time() - begun < 0.05
    code = (
        "import sys; before = {*sys.modules}; import codetune.study.peft_keys, codetune.models.targets\n"
        "print(*{name.partition('.')[0] for name in {*sys.modules} - before} - sys.stdlib_module_names - {'codetune'})"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "workflow" / "scripts", check=True
    )
    assert found.stdout.split() == []
