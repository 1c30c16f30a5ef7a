/**
 * What every backend must do: `contractSuite` (ownership, errors, cancelling) and `paritySuite` (results equal the
 * reference's). A new backend is one line: `backendSuite("cuda", () => openBackend({ backend: "cuda" }))`.
 */
import { contractCases } from "./cases_contract.ts";
import { errorCases } from "./cases_errors.ts";
import { attentionCases } from "./cases_attention.ts";
import { bf16Cases } from "./cases_bf16.ts";
import { estimateErrorCases } from "./cases_estimate_errors.ts";
import { estimateCases } from "./cases_estimates.ts";
import { int8Cases } from "./cases_int8.ts";
import { keyCases } from "./cases_keys.ts";
import { modelCases } from "./cases_model.ts";
import type { OpenBackend, Subject } from "./subject.ts";

/** Registers all tests of a backend; their names begin with `name`. */
export function backendSuite(name: string, open: OpenBackend): void {
  contractSuite(name, open);
  paritySuite(name, open);
}

/** Registers the tests that need no other backend. */
export function contractSuite(name: string, open: OpenBackend): void {
  const subject: Subject = { name, open };
  contractCases(subject);
  errorCases(subject);
  int8Cases(subject);
  estimateErrorCases(subject);
}

/** Registers all tests of a backend that multiplies bf16. */
export function bf16Suite(name: string, open: OpenBackend): void {
  contractSuite(name, open);
  bf16Cases({ name, open });
}

/** Registers the tests that compare with the reference. */
export function paritySuite(name: string, open: OpenBackend): void {
  const subject: Subject = { name, open };
  modelCases(subject);
  attentionCases(subject);
  keyCases(subject);
  estimateCases(subject);
}
