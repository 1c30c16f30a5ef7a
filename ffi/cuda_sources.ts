/**
 * The sources of the CUDA library as text, like those of `sources.ts`, and how to compile them. Import this module only
 * to build or to look for the library.
 */
import activations from "../kernels/cuda/activations.cu" with { type: "text" };
import activationsHeader from "../kernels/cuda/activations.h" with { type: "text" };
import antidiagonalScores from "../kernels/cuda/antidiagonal_scores.cu" with { type: "text" };
import attendKeys from "../kernels/cuda/attend_keys.cu" with { type: "text" };
import attendTiles from "../kernels/cuda/attend_tiles.cu" with { type: "text" };
import attendTilesHeader from "../kernels/cuda/attend_tiles.h" with { type: "text" };
import attendTilesF32 from "../kernels/cuda/attend_tiles_f32.cu" with { type: "text" };
import attendTilesSm80 from "../kernels/cuda/attend_tiles_sm80.cu" with { type: "text" };
import attendTilesSm90 from "../kernels/cuda/attend_tiles_sm90.cu" with { type: "text" };
import attentionRow from "../kernels/cuda/attention_row.cu" with { type: "text" };
import blockLevelsHeader from "../kernels/cuda/block_levels.cuh" with { type: "text" };
import blockScores from "../kernels/cuda/block_scores.cu" with { type: "text" };
import blockWeightsHeader from "../kernels/cuda/block_weights.cuh" with { type: "text" };
import boundScores from "../kernels/cuda/bound_scores.cu" with { type: "text" };
import cells from "../kernels/cuda/cells.cu" with { type: "text" };
import cellsHeader from "../kernels/cuda/cells.cuh" with { type: "text" };
import convertHeader from "../kernels/cuda/convert.h" with { type: "text" };
import cublasLt from "../kernels/cuda/cublas_lt.cu" with { type: "text" };
import cublasLtHeader from "../kernels/cuda/cublas_lt.h" with { type: "text" };
import decode from "../kernels/cuda/decode.cu" with { type: "text" };
import deviceHeader from "../kernels/cuda/device.cuh" with { type: "text" };
import elementsHeader from "../kernels/cuda/elements.cuh" with { type: "text" };
import embed from "../kernels/cuda/embed.cu" with { type: "text" };
import embedHeader from "../kernels/cuda/embed.h" with { type: "text" };
import encode from "../kernels/cuda/encode.cu" with { type: "text" };
import findCublas from "../kernels/cuda/find_cublas.cu" with { type: "text" };
import findCublasHeader from "../kernels/cuda/find_cublas.h" with { type: "text" };
import gateHeader from "../kernels/cuda/gate.cuh" with { type: "text" };
import gemmMma from "../kernels/cuda/gemm_mma.cu" with { type: "text" };
import gemmSimt from "../kernels/cuda/gemm_simt.cu" with { type: "text" };
import gemv from "../kernels/cuda/gemv.cu" with { type: "text" };
import gemvHeader from "../kernels/cuda/gemv.cuh" with { type: "text" };
import gemvBlocks from "../kernels/cuda/gemv_blocks.cu" with { type: "text" };
import headPass from "../kernels/cuda/head_pass.cu" with { type: "text" };
import headPassHeader from "../kernels/cuda/head_pass.h" with { type: "text" };
import keyAttentionHeader from "../kernels/cuda/key_attention.cuh" with { type: "text" };
import keyLanesHeader from "../kernels/cuda/key_lanes.cuh" with { type: "text" };
import keyPieces from "../kernels/cuda/key_pieces.cu" with { type: "text" };
import keyPiecesHeader from "../kernels/cuda/key_pieces.h" with { type: "text" };
import keyScores from "../kernels/cuda/key_scores.cu" with { type: "text" };
import keyScoresHeader from "../kernels/cuda/key_scores.h" with { type: "text" };
import launchHeader from "../kernels/cuda/launch.cuh" with { type: "text" };
import library from "../kernels/cuda/library.cu" with { type: "text" };
import linear from "../kernels/cuda/linear.cu" with { type: "text" };
import linearHeader from "../kernels/cuda/linear.h" with { type: "text" };
import logProbs from "../kernels/cuda/log_probs.cu" with { type: "text" };
import memory from "../kernels/cuda/memory.cu" with { type: "text" };
import merge from "../kernels/cuda/merge.cu" with { type: "text" };
import modelOps from "../kernels/cuda/model_ops.cu" with { type: "text" };
import packedArraysHeader from "../kernels/cuda/packed_arrays.h" with { type: "text" };
import pageTable from "../kernels/cuda/page_table.cu" with { type: "text" };
import pageTableHeader from "../kernels/cuda/page_table.h" with { type: "text" };
import pages from "../kernels/cuda/pages.cu" with { type: "text" };
import pagesHeader from "../kernels/cuda/pages.cuh" with { type: "text" };
import poolBlocks from "../kernels/cuda/pool_blocks.cu" with { type: "text" };
import poolCells from "../kernels/cuda/pool_cells.cu" with { type: "text" };
import poolCellsHeader from "../kernels/cuda/pool_cells.cuh" with { type: "text" };
import poolMap from "../kernels/cuda/pool_map.cu" with { type: "text" };
import productsHeader from "../kernels/cuda/products.h" with { type: "text" };
import ptxHeader from "../kernels/cuda/ptx.cuh" with { type: "text" };
import reduceHeader from "../kernels/cuda/reduce.cuh" with { type: "text" };
import rowChunksHeader from "../kernels/cuda/row_chunks.cuh" with { type: "text" };
import runsHeader from "../kernels/cuda/runs.cuh" with { type: "text" };
import runtime from "../kernels/cuda/runtime.cu" with { type: "text" };
import runtimeHeader from "../kernels/cuda/runtime.h" with { type: "text" };
import scoreTilesHeader from "../kernels/cuda/score_tiles.cuh" with { type: "text" };
import slowMemory from "../kernels/cuda/slow_memory.cu" with { type: "text" };
import slowMemoryHeader from "../kernels/cuda/slow_memory.h" with { type: "text" };
import softmaxHeader from "../kernels/cuda/softmax.cuh" with { type: "text" };
import testingHeader from "../kernels/cuda/testing.h" with { type: "text" };
import tileLists from "../kernels/cuda/tile_lists.cpp" with { type: "text" };
import tileLowering from "../kernels/cuda/tile_lowering.cpp" with { type: "text" };
import tileLoweringHeader from "../kernels/cuda/tile_lowering.h" with { type: "text" };
import tilePages from "../kernels/cuda/tile_pages.cu" with { type: "text" };
import tilePagesHeader from "../kernels/cuda/tile_pages.h" with { type: "text" };
import tileRingHeader from "../kernels/cuda/tile_ring.cuh" with { type: "text" };
import tileSoftmaxHeader from "../kernels/cuda/tile_softmax.cuh" with { type: "text" };
import tileUnits from "../kernels/cuda/tile_units.cu" with { type: "text" };
import tileUnitsHeader from "../kernels/cuda/tile_units.h" with { type: "text" };
import tileWorkHeader from "../kernels/cuda/tile_work.cuh" with { type: "text" };
import topKeys from "../kernels/cuda/top_keys.cu" with { type: "text" };
import topSelect from "../kernels/cuda/top_select.cu" with { type: "text" };
import topSelectHeader from "../kernels/cuda/top_select.h" with { type: "text" };
import verticalSlash from "../kernels/cuda/vertical_slash.cu" with { type: "text" };
import wgmmaHeader from "../kernels/cuda/wgmma.cuh" with { type: "text" };
import widenHeader from "../kernels/cuda/widen.cuh" with { type: "text" };
import { SOURCES } from "./sources.ts";

/** The sources of both libraries: what is not the CPU's own. */
const SHARED = Object.entries(SOURCES).filter(([path]) => !path.startsWith("cpu/"));

/** Text of every file of the CUDA library by its path in `kernels/`. */
export const CUDA_SOURCES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(SHARED),
  // by path
  "cuda/activations.cu": activations,
  "cuda/activations.h": activationsHeader,
  "cuda/antidiagonal_scores.cu": antidiagonalScores,
  "cuda/attend_keys.cu": attendKeys,
  "cuda/attend_tiles.cu": attendTiles,
  "cuda/attend_tiles.h": attendTilesHeader,
  "cuda/attend_tiles_f32.cu": attendTilesF32,
  "cuda/attend_tiles_sm80.cu": attendTilesSm80,
  "cuda/attend_tiles_sm90.cu": attendTilesSm90,
  "cuda/attention_row.cu": attentionRow,
  "cuda/block_levels.cuh": blockLevelsHeader,
  "cuda/block_scores.cu": blockScores,
  "cuda/block_weights.cuh": blockWeightsHeader,
  "cuda/bound_scores.cu": boundScores,
  "cuda/cells.cu": cells,
  "cuda/cells.cuh": cellsHeader,
  "cuda/convert.h": convertHeader,
  "cuda/cublas_lt.cu": cublasLt,
  "cuda/cublas_lt.h": cublasLtHeader,
  "cuda/decode.cu": decode,
  "cuda/device.cuh": deviceHeader,
  "cuda/elements.cuh": elementsHeader,
  "cuda/embed.cu": embed,
  "cuda/embed.h": embedHeader,
  "cuda/encode.cu": encode,
  "cuda/find_cublas.cu": findCublas,
  "cuda/find_cublas.h": findCublasHeader,
  "cuda/gate.cuh": gateHeader,
  "cuda/gemm_mma.cu": gemmMma,
  "cuda/gemm_simt.cu": gemmSimt,
  "cuda/gemv.cu": gemv,
  "cuda/gemv.cuh": gemvHeader,
  "cuda/gemv_blocks.cu": gemvBlocks,
  "cuda/head_pass.cu": headPass,
  "cuda/head_pass.h": headPassHeader,
  "cuda/key_attention.cuh": keyAttentionHeader,
  "cuda/key_lanes.cuh": keyLanesHeader,
  "cuda/key_pieces.cu": keyPieces,
  "cuda/key_pieces.h": keyPiecesHeader,
  "cuda/key_scores.cu": keyScores,
  "cuda/key_scores.h": keyScoresHeader,
  "cuda/launch.cuh": launchHeader,
  "cuda/library.cu": library,
  "cuda/linear.cu": linear,
  "cuda/linear.h": linearHeader,
  "cuda/log_probs.cu": logProbs,
  "cuda/memory.cu": memory,
  "cuda/merge.cu": merge,
  "cuda/model_ops.cu": modelOps,
  "cuda/packed_arrays.h": packedArraysHeader,
  "cuda/page_table.cu": pageTable,
  "cuda/page_table.h": pageTableHeader,
  "cuda/pages.cu": pages,
  "cuda/pages.cuh": pagesHeader,
  "cuda/pool_blocks.cu": poolBlocks,
  "cuda/pool_cells.cu": poolCells,
  "cuda/pool_cells.cuh": poolCellsHeader,
  "cuda/pool_map.cu": poolMap,
  "cuda/products.h": productsHeader,
  "cuda/ptx.cuh": ptxHeader,
  "cuda/reduce.cuh": reduceHeader,
  "cuda/row_chunks.cuh": rowChunksHeader,
  "cuda/runs.cuh": runsHeader,
  "cuda/runtime.cu": runtime,
  "cuda/runtime.h": runtimeHeader,
  "cuda/score_tiles.cuh": scoreTilesHeader,
  "cuda/slow_memory.cu": slowMemory,
  "cuda/slow_memory.h": slowMemoryHeader,
  "cuda/softmax.cuh": softmaxHeader,
  "cuda/testing.h": testingHeader,
  "cuda/tile_lists.cpp": tileLists,
  "cuda/tile_lowering.cpp": tileLowering,
  "cuda/tile_lowering.h": tileLoweringHeader,
  "cuda/tile_pages.cu": tilePages,
  "cuda/tile_pages.h": tilePagesHeader,
  "cuda/tile_ring.cuh": tileRingHeader,
  "cuda/tile_softmax.cuh": tileSoftmaxHeader,
  "cuda/tile_units.cu": tileUnits,
  "cuda/tile_units.h": tileUnitsHeader,
  "cuda/tile_work.cuh": tileWorkHeader,
  "cuda/top_keys.cu": topKeys,
  "cuda/top_select.cu": topSelect,
  "cuda/top_select.h": topSelectHeader,
  "cuda/vertical_slash.cu": verticalSlash,
  "cuda/wgmma.cuh": wgmmaHeader,
  "cuda/widen.cuh": widenHeader,
};

/** What code is made for: a capability of devices, or `ptx`, which drivers compile for later ones. */
export type CudaTarget = "sm_80" | "sm_86" | "sm_89" | "sm_90a" | "ptx";

/** All targets. */
export const CUDA_TARGETS: readonly CudaTarget[] = ["sm_80", "sm_86", "sm_89", "sm_90a", "ptx"];

const NEWEST = 90;

/** The target that runs on devices of a capability such as `9.0`; null for those that are too old. */
export function targetOf(capability: string): CudaTarget | null {
  const number = Number(capability.replace(".", ""));
  if (number < 80) return null;
  if (number < 86) return "sm_80";
  if (number < 89) return "sm_86";
  if (number < NEWEST) return "sm_89";
  return number === NEWEST ? "sm_90a" : "ptx";
}

/** Files to compile. */
export function cudaUnits(): string[] {
  return Object.keys(CUDA_SOURCES).filter((path) => /\.(cu|cpp)$/.test(path));
}

/** Flags of every file. */
export function cudaFlags(targets: readonly CudaTarget[]): string[] {
  const host = "-fPIC,-fvisibility=hidden,-fno-gnu-unique,-Wall,-Wextra";
  return [
    ...["-std=c++20", "-O3", "--cudart", "static"],
    ...["-Werror", "all-warnings", "-Xcompiler", host, "-Xptxas", "-v"],
    ...targets.map(codeFlag),
  ];
}

/**
 * Flags of linking. The library keeps to its own symbols, as the CPU library of the same names may be loaded beside it,
 * and shows none of the CUDA run time that is linked in.
 */
export const CUDA_LINK_FLAGS: readonly string[] = [
  ...["-shared", "--cudart", "static", "-nodlink"],
  ...["-Xlinker", "-Bsymbolic,--exclude-libs,ALL,--no-undefined"],
];

function codeFlag(target: CudaTarget): string {
  const number = target === "ptx" ? NEWEST : target.slice("sm_".length);
  const code = target === "ptx" ? `compute_${NEWEST}` : target;
  return `-gencode=arch=compute_${number},code=${code}`;
}
