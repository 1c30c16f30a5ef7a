"""Measures PyTorch on a CUDA device: a line of JSON in asks, a line of JSON out answers.

{"kind": "device"}                                      name, driver, versions
{"kind": "copy", "bytes": n}                            bytes read and written a second
{"kind": "matmul", "size": n}                           bf16 operations a second of an n x n x n product
{"kind": "prefill" | "decode", tokens, heads, kvHeads, dim}   milliseconds by backend, null where it refuses
"""

import json
import statistics
import subprocess
import sys

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

BACKENDS = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}
BATCHES = 7
BATCH_MS = 30.0


def elapsed(work, count):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / count


def median_ms(work):
    work()
    once = elapsed(work, 1)
    count = max(1, min(64, int(BATCH_MS / max(once, 1e-3)) + 1))
    return statistics.median(elapsed(work, count) for _ in range(BATCHES))


def device(_):
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True).stdout.strip()
    except OSError:
        driver = "unknown"
    cudnn = torch.backends.cudnn.version()
    return {
        "name": torch.cuda.get_device_name(0),
        "driver": driver,
        "torch": f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {cudnn}",
    }


def copy(ask):
    source = torch.ones(ask["bytes"] // 4, device="cuda")
    target = torch.empty_like(source)
    return {"perSecond": 2 * ask["bytes"] / (1e-3 * median_ms(lambda: target.copy_(source)))}


def matmul(ask):
    size = ask["size"]
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(a)
    return {"perSecond": 2 * size**3 / (1e-3 * median_ms(lambda: torch.mm(a, b, out=out)))}


def attention(ask):
    tokens, heads, kv_heads, dim = (ask[key] for key in ("tokens", "heads", "kvHeads", "dim"))
    causal = ask["kind"] == "prefill"
    rows = tokens if causal else 1

    def normal(heads, rows):
        return torch.randn(1, heads, rows, dim, device="cuda", dtype=torch.bfloat16)

    query, key, value = normal(heads, rows), normal(kv_heads, tokens), normal(kv_heads, tokens)

    def attend():
        return scaled_dot_product_attention(query, key, value, is_causal=causal, enable_gqa=True)

    return {name: with_backend(attend, backend) for name, backend in BACKENDS.items()}


def with_backend(attend, backend):
    try:
        with sdpa_kernel(backend):
            return median_ms(attend)
    except RuntimeError:
        return None


KINDS = {
    "device": device,
    "copy": copy,
    "matmul": matmul,
    "prefill": attention,
    "decode": attention,
}


def main():
    with torch.inference_mode():
        for line in sys.stdin:
            ask = json.loads(line)
            answer = KINDS[ask["kind"]](ask)
            torch.cuda.empty_cache()
            print(json.dumps(answer), flush=True)


main()
