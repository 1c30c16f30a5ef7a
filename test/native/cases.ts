/** The cases that the driver replays: every operation, on random and on adversarial data. */
import { attentionCases } from "./cases_attention.ts";
import { estimateCases } from "./cases_estimates.ts";
import { keyCases } from "./cases_keys.ts";
import { modelCases } from "./cases_model.ts";
import type { Case } from "./record_cases.ts";

/** All of them. */
export const CASES: readonly Case[] = [
  ...attentionCases(),
  ...estimateCases(),
  ...keyCases(),
  ...modelCases(),
];
