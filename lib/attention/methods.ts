/** The attention methods, as one object for notebooks: `methods.streaming({ window: 1024 })`. */
import { dense } from "./dense.ts";
import { perHead } from "./per_head.ts";
import { retrieval } from "./retrieval.ts";
import { streaming } from "./streaming.ts";

/** Attention methods by name. */
export const methods: {
  readonly dense: typeof dense;
  readonly streaming: typeof streaming;
  readonly retrieval: typeof retrieval;
  readonly perHead: typeof perHead;
} = { dense, streaming, retrieval, perHead };
