"""Child process that measures PyTorch's scaled_dot_product_attention; protocol.ts says what it answers."""

import base64
import json
import sys
import time

LEAST_REPETITIONS = 3
MATH_KERNEL = 0


def main():
    try:
        import torch

        hello = {"version": torch.__version__, "square": makes_all_scores(torch)}
    except Exception as error:
        say({"missing": f"{sys.executable} has no PyTorch that can be measured: {error}"})
        return
    say(hello)
    for line in sys.stdin:
        try:
            say(answer(torch, json.loads(line)))
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})


def makes_all_scores(torch):
    """Whether one of the cases is computed without a fused kernel."""
    query = torch.zeros(1, 4, 64, 64)
    keys = [query, query[:, :2]]
    return any(kernel_of(torch, query, key, True) == MATH_KERNEL for key in keys)


def kernel_of(torch, query, key, causal):
    grouped = key.shape[1] < query.shape[1]
    return torch._fused_sdp_choice(query, key, key, is_causal=causal, enable_gqa=grouped)


def answer(torch, request):
    case, data = request["case"], request.get("data")
    torch.set_num_threads(case["threads"])
    query, key, value = random_arrays(torch, case) if data is None else arrays(torch, case, data)
    grouped, causal = case["kvHeads"] < case["heads"], case["kind"] == "prefill"

    def attend():
        return torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=causal, enable_gqa=grouped
        )

    with torch.inference_mode():
        if data is not None:
            return {"out": text_of(torch, attend())}
        fused = kernel_of(torch, query, key, causal) != MATH_KERNEL
        milliseconds = measure(attend, case["seconds"])
        return {"milliseconds": milliseconds, "note": f"with{'' if fused else 'out'} a fused kernel"}


def measure(attend, seconds):
    attend()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < LEAST_REPETITIONS or time.perf_counter() < end:
        start = time.perf_counter()
        attend()
        times.append(1000 * (time.perf_counter() - start))
    return times


def random_arrays(torch, case):
    generator = torch.Generator().manual_seed(case["seed"])
    rows, tokens = rows_of(case), case["tokens"]
    shapes = [(case["heads"], rows), (case["kvHeads"], tokens), (case["kvHeads"], tokens)]
    return [
        torch.randn(1, *shape, case["dim"], generator=generator).to(dtype_of(torch, case))
        for shape in shapes
    ]


def arrays(torch, case, data):
    """[tokens, heads, dim] as [1, heads, tokens, dim]."""

    def decoded(text, heads):
        flat = torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32)
        laid_out = flat.view(1, -1, heads, case["dim"]).transpose(1, 2).contiguous()
        return laid_out.to(dtype_of(torch, case))

    return [
        decoded(data["q"], case["heads"]),
        decoded(data["k"], case["kvHeads"]),
        decoded(data["v"], case["kvHeads"]),
    ]


def text_of(torch, out):
    values = out.transpose(1, 2).contiguous().to(torch.float32)
    # PyTorch may be there without NumPy.
    return base64.b64encode(bytes(values.flatten().view(torch.uint8).tolist())).decode()


def rows_of(case):
    return case["tokens"] if case["kind"] == "prefill" else 1


def dtype_of(torch, case):
    return {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[case["dtype"]]


def say(reply):
    print(json.dumps(reply), flush=True)


main()
