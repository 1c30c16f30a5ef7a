/**
 * What every backend must do: `contractSuite` (ownership, errors, cancelling) and `paritySuite` (results equal the
 * reference's). A new backend is one line: `backendSuite("cuda", () => openBackend({ backend: "cuda" }))`.
 */
import { contractCases } from "./cases_contract.ts";
import { errorCases } from "./cases_errors.ts";
import { blockCases } from "./cases_blocks.ts";
import { boundCases } from "./cases_bounds.ts";
import { clusterContract, clusterParity } from "./cases_clusters.ts";
import { attentionCases } from "./cases_attention.ts";
import { bf16Cases, roundedSumsCase } from "./cases_bf16.ts";
import { estimateErrorCases } from "./cases_estimate_errors.ts";
import { estimateCases } from "./cases_estimates.ts";
import { graphContract, graphParity } from "./cases_graph.ts";
import { flat4Contract, flat4Parity } from "./cases_flat4.ts";
import { int8Cases } from "./cases_int8.ts";
import { keyCases } from "./cases_keys.ts";
import { modelCases } from "./cases_model.ts";
import { tierCases } from "./cases_tiers.ts";
import type { OpenBackend, Subject, SubjectOptions } from "./subject.ts";

/** Registers all tests of a backend; their names begin with `name`. */
export function backendSuite(name: string, open: OpenBackend, options: SubjectOptions = {}): void {
  contractSuite(name, open, options);
  paritySuite(name, open, options);
}

/** Registers the tests that need no other backend. */
export function contractSuite(name: string, open: OpenBackend, options: SubjectOptions = {}): void {
  const subject = subjectOf(name, open, options);
  contractCases(subject);
  errorCases(subject);
  int8Cases(subject);
  estimateErrorCases(subject);
  boundCases(subject);
  tierCases(subject);
}

/** Registers all tests of a backend that multiplies bf16. */
export function bf16Suite(name: string, open: OpenBackend, options: SubjectOptions = {}): void {
  contractSuite(name, open, options);
  bf16Cases(subjectOf(name, open, options));
}

/** Registers those of a CPU's unit that multiplies bf16. */
export function bf16UnitSuite(name: string, open: OpenBackend): void {
  bf16Suite(name, open);
  roundedSumsCase(subjectOf(name, open, {}));
}

/** Registers the tests that compare with the reference. */
export function paritySuite(name: string, open: OpenBackend, options: SubjectOptions = {}): void {
  const subject = subjectOf(name, open, options);
  modelCases(subject);
  blockCases(subject);
  attentionCases(subject);
  keyCases(subject);
  estimateCases(subject);
}

/** Registers the tests of indexes over keys, which the CPU computes for devices, too. */
export function indexSuite(name: string, open: OpenBackend, options: SubjectOptions = {}): void {
  indexContractSuite(name, open, options);
  const subject = subjectOf(name, open, options);
  clusterParity(subject);
  flat4Parity(subject);
  graphParity(subject);
}

/** Registers those of them that need no other backend. */
export function indexContractSuite(
  name: string,
  open: OpenBackend,
  options: SubjectOptions = {},
): void {
  const subject = subjectOf(name, open, options);
  clusterContract(subject);
  flat4Contract(subject);
  graphContract(subject);
}

function subjectOf(name: string, open: OpenBackend, options: SubjectOptions): Subject {
  return { name, open, share: 1, pace: 1, ...options };
}
