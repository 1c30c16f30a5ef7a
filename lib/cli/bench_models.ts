/** The part of the benchmark's command line that is about whole models. */
import { basename, resolve } from "node:path";
import type { Backend } from "../../ffi/backend.ts";
import { readEnv } from "../../ffi/permissions.ts";
import {
  filteredModels,
  type ModelCase,
  modelCases,
  type ModelFile,
} from "../bench/models/model_case.ts";
import { LLAMA_MODELS } from "../bench/models/model_peer.ts";
import { MODEL_COLUMNS, modelLegend, modelRemarks } from "../bench/models/models_report.ts";
import type { ModelsResult } from "../bench/models/models_result.ts";
import { runModels } from "../bench/models/run_models.ts";
import { machineText } from "../bench/machine.ts";
import { ceilingLines, remarks } from "../bench/report.ts";
import type { BenchProgress } from "../bench/run_bench.ts";
import { seededRandom } from "../engine/random.ts";
import { models } from "../engine/local_models.ts";
import { sentences } from "../eval/grammar.ts";
import { fileTypes } from "../model/gguf/file_types.ts";
import { ggufPaths, readGgufModel } from "../model/gguf/model_file.ts";
import { table } from "./table.ts";

/** Which models. */
export interface ModelChoice {
  /** GGUF files; none for those in the folder that `LONGLENS_TEST_MODELS` names. */
  readonly model: readonly string[];
  /** Words that occur in the names of cases. */
  readonly filter: string;
}

/** How they are measured. */
export interface MeasureModels {
  /** The backend. */
  readonly backend: Backend;
  /** The cases. */
  readonly cases: readonly ModelCase[];
  /** Seconds it may take. */
  readonly seconds: number;
  /** Whether to compare. */
  readonly peers: boolean;
  /** Called when something begins. */
  readonly onProgress: (progress: BenchProgress) => void;
  /** Stops it. */
  readonly signal: AbortSignal;
}

const FOLDER = "LONGLENS_TEST_MODELS";
/** Characters of a token at most, on average. */
const TOKEN_CHARACTERS = 8;
/** Seed of the text. */
const SEED = 0;

/**
 * The cases of the chosen models.
 *
 * @throws {RangeError} when there are none
 */
export async function modelCasesFor({ model, filter }: ModelChoice): Promise<ModelCase[]> {
  const paths = model.length > 0 ? model.map((path) => resolve(path)) : await pathsOfFolder();
  const all = modelCases(await Promise.all(paths.map(describe)));
  const found = filteredModels(all, filter);
  if (found.length > 0) return found;
  throw new RangeError(
    `Cannot run as --filter must leave >= 1 of the ${all.length} cases that --list prints: ` +
      `current value is ${filter}`,
  );
}

/** Measures them. */
export function measureModels({ cases, peers, ...options }: MeasureModels): Promise<ModelsResult> {
  const tokens = Math.max(...cases.map((one) => one.tokens));
  const peer = peers ? LLAMA_MODELS : null;
  return runModels({ ...options, cases, peer, text: textOf(tokens * TOKEN_CHARACTERS) });
}

/** Prints a run over models. */
export function printModels(result: ModelsResult): void {
  const { machine, rows } = result;
  console.log(`${machineText(machine)}\n\n${ceilingLines(result).join("\n")}\n`);
  if (rows.length > 0) console.log(`${table(rows, MODEL_COLUMNS)}\n\n${modelLegend(rows)}\n`);
  for (const remark of [...remarks(result), ...modelRemarks(rows)]) console.log(remark);
}

async function pathsOfFolder(): Promise<string[]> {
  const folder = readEnv(FOLDER);
  if (folder === undefined) {
    throw new RangeError(
      `Cannot run as --model must name a GGUF file, or ${FOLDER} a folder of them`,
    );
  }
  const found = await models({ folders: [folder] });
  const paths = found.filter(({ format }) => format === "gguf").map(({ path }) => path);
  if (paths.length > 0) return paths;
  throw new RangeError(
    `Cannot run as ${FOLDER} must name a folder with GGUF files: current value is ${folder}`,
  );
}

async function describe(path: string): Promise<ModelFile> {
  const { metadata, tensors } = await readGgufModel(path);
  const architecture = metadata.text("general.architecture");
  const matrices = [...tensors].filter(([name, { shape }]) =>
    shape.length === 2 && !(name === "token_embd.weight" && tensors.has("output.weight"))
  );
  return {
    name: nameOf(path),
    path,
    weights: fileTypes.get(metadata.count("general.file_type") ?? -1) ?? null,
    contextLength: metadata.count(`${architecture}.context_length`) ?? null,
    matrixBytes: matrices.reduce((sum, [, { begin, end }]) => sum + end - begin, 0),
  };
}

function nameOf(path: string): string {
  return basename(ggufPaths(path)[0]!).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, "");
}

/** Sentences of our own grammar. */
function textOf(characters: number): string {
  let text = "";
  for (const sentence of sentences(seededRandom(SEED))) {
    text += sentence.before + sentence.text;
    if (text.length >= characters) break;
  }
  return text;
}
