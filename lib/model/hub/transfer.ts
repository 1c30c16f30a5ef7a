/** Requests that end when they are told to, and when their server falls silent. */

/** When a request ends early. */
export interface TransferOptions {
  /** Ends the request and what it brings. */
  readonly signal: AbortSignal | undefined;
  /** Longest silence of a server, before its answer and in the midst of it. */
  readonly stallMs: number;
}

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** A `fetch` without redirects. */
export async function transfer(
  url: URL,
  init: RequestInit,
  { signal, stallMs }: TransferOptions,
): Promise<Response> {
  const end = new AbortController();
  const stop = () => end.abort(signal?.reason);
  const release = () => signal?.removeEventListener("abort", stop);
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => end.abort(new Error(`silence of ${stallMs} ms`)), stallMs);
    return await work.finally(() => clearTimeout(timer));
  };
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop);
  try {
    const answer = fetch(url, { ...init, redirect: "manual", signal: end.signal });
    const response = await timed(answer);
    const body = response.body && endable(response.body, end.signal, timed, release);
    if (!body) release();
    return new Response(body, response);
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * The same bytes, which `read` reads when they are asked for. Deno forgets the signal of a response that is collected
 * while its body is still read, so the signal is heeded here.
 */
function endable(
  bytes: Bytes,
  signal: AbortSignal,
  read: <T>(work: Promise<T>) => Promise<T>,
  release: () => void,
): Bytes {
  const reader = bytes.getReader();
  const cancel = async (reason: unknown) => {
    release();
    await reader.cancel(reason).catch(() => {}); // a connection that broke has nothing left to cancel
  };
  signal.addEventListener("abort", () => void cancel(signal.reason), { once: true });
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await read(reader.read());
      signal.throwIfAborted();
      if (!done) return controller.enqueue(value);
      release();
      controller.close();
    },
    cancel,
  }, { highWaterMark: 0 });
}
