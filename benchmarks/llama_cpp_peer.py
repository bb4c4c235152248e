"""Completes prompts by llama-cpp-python as a user calls it; run by smollm2_generation.py in an environment of its own.

Usage: PYTHON benchmarks/llama_cpp_peer.py MODEL.gguf INPUT.json OUTPUT.json
"""

import json
import sys
import time
from pathlib import Path

import llama_cpp

model, given, target = sys.argv[1:]
task = json.loads(Path(given).read_text())
longest = max(map(len, task["prompts"]))
llama = llama_cpp.Llama(
    model, n_ctx=longest + task["limit"], n_threads=task["threads"], n_threads_batch=task["threads"], verbose=False
)
texts, tokens, start = [], 0, time.perf_counter()
for prompt in task["prompts"]:
    answer = llama.create_completion(prompt, max_tokens=task["limit"], temperature=0.0)
    tokens += answer["usage"]["completion_tokens"]
    texts.append(answer["choices"][0]["text"])
seconds = time.perf_counter() - start
found = {"tokens": tokens, "seconds": seconds, "version": llama_cpp.__version__, "texts": texts}
Path(target).write_text(json.dumps(found, allow_nan=False))
