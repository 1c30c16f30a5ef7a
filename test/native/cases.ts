/** The cases that the driver replays: every operation, on random and on adversarial data. */
import { attentionCases } from "./cases_attention.ts";
import { clusterCases } from "./cases_clusters.ts";
import { estimateCases } from "./cases_estimates.ts";
import { flat4Cases } from "./cases_flat4.ts";
import { graphCases } from "./cases_graph.ts";
import { keyCases } from "./cases_keys.ts";
import { modelCases } from "./cases_model.ts";
import type { Case } from "./record_cases.ts";

/** All of them; the place of a case seeds its data. */
export const CASES: readonly Case[] = [
  ...attentionCases(),
  ...estimateCases(),
  ...keyCases(),
  ...modelCases(),
  ...clusterCases(),
  ...flat4Cases(),
  ...graphCases(),
];
