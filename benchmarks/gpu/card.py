"""Says in one line of JSON which GPU torch computes on, or why it computes on none.

Usage: python benchmarks/gpu/card.py

A process of its own: what asks the driver may hang, and takes memory of the GPU as long as it lives.
"""

import json


def card() -> dict[str, str]:
    """`card`, the name of the first GPU that torch has; or `problem`, why there is none."""
    try:
        import torch
    except ImportError as error:
        return {"problem": f"this Python has no torch that can be imported ({error})"}
    try:
        torch.zeros(1, device="cuda:0").add(1).item()
        return {"card": torch.cuda.get_device_name(0)}
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        return {"problem": f"torch {torch.__version__} finds no GPU that it can compute on ({reason})"}


if __name__ == "__main__":
    print(json.dumps(card(), allow_nan=False), flush=True)
