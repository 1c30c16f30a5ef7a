/** PyTorch on a CUDA device, in a child process that answers question by question. */
import { readEnv } from "../../../ffi/permissions.ts";
import { lines } from "../peers/lines.ts";
import script from "./torch_gpu.py" with { type: "text" };

/** The device as PyTorch sees it. */
export interface TorchDevice {
  /** Its name. */
  readonly name: string;
  /** Version of the driver. */
  readonly driver: string;
  /** Versions of PyTorch and what it uses. */
  readonly torch: string;
}

/** An attention call. */
export interface AttentionShape {
  /** Tokens that see each other, or keys that one token sees. */
  readonly kind: "prefill" | "decode";
  /** Keys. */
  readonly tokens: number;
  /** Query heads. */
  readonly heads: number;
  /** KV heads. */
  readonly kvHeads: number;
  /** Size of a head. */
  readonly dim: number;
}

/** Milliseconds of `scaled_dot_product_attention` with each of its kernels; null where it refuses. */
export interface TorchTimes {
  /** With cuDNN. */
  readonly cudnn: number | null;
  /** With its copy of FlashAttention. */
  readonly flash: number | null;
}

/** The child. */
export class TorchGpu {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncGenerator<string>;

  /** Starts the Python that `LONGLENS_PYTHON` names or that is on the PATH. */
  constructor() {
    const command = new Deno.Command(readEnv("LONGLENS_PYTHON") ?? "python3", {
      args: ["-c", script],
      env: { PYTHONSAFEPATH: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    });
    this.#child = command.spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#answers = lines(this.#child.stdout.getReader());
  }

  /** What it runs on. */
  async device(): Promise<TorchDevice> {
    return await this.#ask<TorchDevice>({ kind: "device" });
  }

  /** Bytes a second that a copy within the device reads and writes. */
  async copyBandwidth(bytes: number): Promise<number> {
    return (await this.#ask<{ perSecond: number }>({ kind: "copy", bytes })).perSecond;
  }

  /** Operations a second of a product of matrices of bf16. */
  async matmulPeak(size: number): Promise<number> {
    return (await this.#ask<{ perSecond: number }>({ kind: "matmul", size })).perSecond;
  }

  /** Times of an attention call. */
  async attention(shape: AttentionShape): Promise<TorchTimes> {
    return await this.#ask<TorchTimes>(shape);
  }

  /** Ends it. */
  async close(): Promise<void> {
    await this.#input.close();
    await this.#child.status;
  }

  async #ask<T>(question: object): Promise<T> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(question)}\n`));
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("Cannot measure PyTorch as its process ended: see above");
    return JSON.parse(value) as T;
  }
}
