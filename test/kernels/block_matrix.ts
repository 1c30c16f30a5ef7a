/** Random weights of every quantised type. */
import type { BlockType, Tensor } from "../../ffi/backend.ts";
import { BLOCKS } from "../../kernels/reference/blocks.ts";
import { inFolder } from "../in_folder.ts";
import type { Random } from "../random.ts";
import type { Scope } from "./scope.ts";

/** Where blocks of a type have f16 numbers: scales, and what is added to or subtracted from each element. */
const HALVES: Readonly<Record<BlockType, readonly number[]>> = {
  q4_0: [0],
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  q8_0: [0],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
};

/** All quantised types. */
export const BLOCK_TYPES = Object.keys(BLOCKS) as readonly BlockType[];

/** Blocks of random bits whose f16 numbers are of either sign and 2^-13 to 2^-6, some of them 0. */
export function randomBlocks(
  random: Random,
  type: BlockType,
  count: number,
): Uint8Array<ArrayBuffer> {
  const { bytes } = BLOCKS[type];
  const blocks = Uint8Array.from({ length: count * bytes }, () => random.integer(0, 255));
  const view = new DataView(blocks.buffer);
  for (let start = 0; start < blocks.length; start += bytes) {
    for (const at of HALVES[type]) view.setUint16(start + at, randomHalf(random), true);
  }
  return blocks;
}

/** A matrix of random blocks, which lies in a file as those of models do. */
export async function blockMatrix(
  scope: Scope,
  random: Random,
  rows: number,
  columns: number,
  type: BlockType,
): Promise<Tensor> {
  return await inFolder(async (folder) => {
    const blocks = randomBlocks(random, type, rows * columns / BLOCKS[type].elements);
    await Deno.writeFile(`${folder}/weights`, blocks);
    const file = scope.keep(await scope.backend.openWeights(`${folder}/weights`));
    return await file.tensor(0, type, [rows, columns], type);
  });
}

function randomHalf(random: Random): number {
  if (random.chance(0.05)) return 0;
  const sign = random.chance(0.5) ? 0x8000 : 0;
  return sign | random.integer(2 << 10, (9 << 10) - 1);
}
