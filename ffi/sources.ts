/**
 * The C++ sources of the native library as text: they are part of the module graph, so that a package registry
 * delivers them, too. Import this module only to build or to look for a library.
 */
import header from "../kernels/include/longlens.h" with { type: "text" };
import askingRows from "../kernels/common/asking_rows.cpp" with { type: "text" };
import askingRowsHeader from "../kernels/common/asking_rows.h" with { type: "text" };
import clusterCalls from "../kernels/common/cluster_calls.cpp" with { type: "text" };
import clusterCallsHeader from "../kernels/common/cluster_calls.h" with { type: "text" };
import elementTypesHeader from "../kernels/common/element_types.h" with { type: "text" };
import estimateCalls from "../kernels/common/estimate_calls.cpp" with { type: "text" };
import estimateCallsHeader from "../kernels/common/estimate_calls.h" with { type: "text" };
import flat4Calls from "../kernels/common/flat4_calls.cpp" with { type: "text" };
import flat4CallsHeader from "../kernels/common/flat4_calls.h" with { type: "text" };
import flat4LayoutHeader from "../kernels/common/flat4_layout.h" with { type: "text" };
import freeRanges from "../kernels/common/free_ranges.cpp" with { type: "text" };
import freeRangesHeader from "../kernels/common/free_ranges.h" with { type: "text" };
import graphCalls from "../kernels/common/graph_calls.cpp" with { type: "text" };
import graphCallsHeader from "../kernels/common/graph_calls.h" with { type: "text" };
import headGroups from "../kernels/common/head_groups.cpp" with { type: "text" };
import headGroupsHeader from "../kernels/common/head_groups.h" with { type: "text" };
import keyCalls from "../kernels/common/key_calls.cpp" with { type: "text" };
import keyCallsHeader from "../kernels/common/key_calls.h" with { type: "text" };
import keySet from "../kernels/common/key_set.cpp" with { type: "text" };
import keySetHeader from "../kernels/common/key_set.h" with { type: "text" };
import keyUnits from "../kernels/common/key_units.cpp" with { type: "text" };
import keyUnitsHeader from "../kernels/common/key_units.h" with { type: "text" };
import memoryCalls from "../kernels/common/memory_calls.cpp" with { type: "text" };
import memoryCallsHeader from "../kernels/common/memory_calls.h" with { type: "text" };
import modelArguments from "../kernels/common/model_arguments.cpp" with { type: "text" };
import modelArgumentsHeader from "../kernels/common/model_arguments.h" with { type: "text" };
import pageCalls from "../kernels/common/page_calls.cpp" with { type: "text" };
import pageCallsHeader from "../kernels/common/page_calls.h" with { type: "text" };
import pageTable from "../kernels/common/page_table.cpp" with { type: "text" };
import pageTableHeader from "../kernels/common/page_table.h" with { type: "text" };
import status from "../kernels/common/status.cpp" with { type: "text" };
import statusHeader from "../kernels/common/status.h" with { type: "text" };
import tileCalls from "../kernels/common/tile_calls.cpp" with { type: "text" };
import tileCallsHeader from "../kernels/common/tile_calls.h" with { type: "text" };
import tilePlans from "../kernels/common/tile_plans.cpp" with { type: "text" };
import tilePlansHeader from "../kernels/common/tile_plans.h" with { type: "text" };
import amx from "../kernels/cpu/amx.cpp" with { type: "text" };
import arena from "../kernels/cpu/arena.cpp" with { type: "text" };
import arenaHeader from "../kernels/cpu/arena.h" with { type: "text" };
import attendKeys from "../kernels/cpu/attend_keys.cpp" with { type: "text" };
import attendTiles from "../kernels/cpu/attend_tiles.cpp" with { type: "text" };
import avx2 from "../kernels/cpu/avx2.cpp" with { type: "text" };
import avx512 from "../kernels/cpu/avx512.cpp" with { type: "text" };
import avx512Bf16 from "../kernels/cpu/avx512bf16.cpp" with { type: "text" };
import bestKeysHeader from "../kernels/cpu/best_keys.h" with { type: "text" };
import bf16Attention from "../kernels/cpu/bf16_attention.cpp" with { type: "text" };
import bf16AttentionHeader from "../kernels/cpu/bf16_attention.h" with { type: "text" };
import bf16KernelsHeader from "../kernels/cpu/bf16_kernels.h" with { type: "text" };
import bf16Kernels from "../kernels/cpu/bf16_kernels.inl" with { type: "text" };
import bf16Vectors from "../kernels/cpu/bf16_vectors.inl" with { type: "text" };
import clusterKeys from "../kernels/cpu/cluster_keys.cpp" with { type: "text" };
import clusterSearch from "../kernels/cpu/cluster_search.cpp" with { type: "text" };
import clusterTail from "../kernels/cpu/cluster_tail.cpp" with { type: "text" };
import convert from "../kernels/cpu/convert.cpp" with { type: "text" };
import cpuFeatures from "../kernels/cpu/cpu_features.cpp" with { type: "text" };
import cpuFeaturesHeader from "../kernels/cpu/cpu_features.h" with { type: "text" };
import dispatch from "../kernels/cpu/dispatch.cpp" with { type: "text" };
import dispatchHeader from "../kernels/cpu/dispatch.h" with { type: "text" };
import encodeBlocks from "../kernels/cpu/encode_blocks.cpp" with { type: "text" };
import encodeBlocksHeader from "../kernels/cpu/encode_blocks.h" with { type: "text" };
import estimateAntidiagonals from "../kernels/cpu/estimate_antidiagonals.cpp" with { type: "text" };
import estimateBlocks from "../kernels/cpu/estimate_blocks.cpp" with { type: "text" };
import estimateBounds from "../kernels/cpu/estimate_bounds.cpp" with { type: "text" };
import estimateVerticalSlash from "../kernels/cpu/estimate_vertical_slash.cpp" with {
  type: "text",
};
import flat4 from "../kernels/cpu/flat4.cpp" with { type: "text" };
import graphBuild from "../kernels/cpu/graph_build.cpp" with { type: "text" };
import graphLinks from "../kernels/cpu/graph_links.cpp" with { type: "text" };
import graphLinksHeader from "../kernels/cpu/graph_links.h" with { type: "text" };
import graphRepair from "../kernels/cpu/graph_repair.cpp" with { type: "text" };
import graphRepairHeader from "../kernels/cpu/graph_repair.h" with { type: "text" };
import graphSearch from "../kernels/cpu/graph_search.cpp" with { type: "text" };
import graphSearchHeader from "../kernels/cpu/graph_search.h" with { type: "text" };
import kernelsHeader from "../kernels/cpu/kernels.h" with { type: "text" };
import keyBlocksHeader from "../kernels/cpu/key_blocks.h" with { type: "text" };
import keyRowsHeader from "../kernels/cpu/key_rows.h" with { type: "text" };
import keyScores from "../kernels/cpu/key_scores.cpp" with { type: "text" };
import keyScoresHeader from "../kernels/cpu/key_scores.h" with { type: "text" };
import keySets from "../kernels/cpu/key_sets.cpp" with { type: "text" };
import keySetsHeader from "../kernels/cpu/key_sets.h" with { type: "text" };
import kv from "../kernels/cpu/kv.cpp" with { type: "text" };
import kvHeader from "../kernels/cpu/kv.h" with { type: "text" };
import linear from "../kernels/cpu/linear.cpp" with { type: "text" };
import linearHeader from "../kernels/cpu/linear.h" with { type: "text" };
import memory from "../kernels/cpu/memory.cpp" with { type: "text" };
import modelOps from "../kernels/cpu/model_ops.cpp" with { type: "text" };
import nearestKeys from "../kernels/cpu/nearest_keys.cpp" with { type: "text" };
import packedKv from "../kernels/cpu/packed_kv.cpp" with { type: "text" };
import packedKvHeader from "../kernels/cpu/packed_kv.h" with { type: "text" };
import pageFile from "../kernels/cpu/page_file.cpp" with { type: "text" };
import pool from "../kernels/cpu/pool.cpp" with { type: "text" };
import poolHeader from "../kernels/cpu/pool.h" with { type: "text" };
import poolMap from "../kernels/cpu/pool_map.cpp" with { type: "text" };
import portable from "../kernels/cpu/portable.cpp" with { type: "text" };
import quantise from "../kernels/cpu/quantise.cpp" with { type: "text" };
import quantiseHeader from "../kernels/cpu/quantise.h" with { type: "text" };
import queryPanels from "../kernels/cpu/query_panels.cpp" with { type: "text" };
import queryPanelsHeader from "../kernels/cpu/query_panels.h" with { type: "text" };
import scoreListedKeys from "../kernels/cpu/score_listed_keys.cpp" with { type: "text" };
import scoreListedKeysHeader from "../kernels/cpu/score_listed_keys.h" with { type: "text" };
import scratchHeader from "../kernels/cpu/scratch.h" with { type: "text" };
import seenKeys from "../kernels/cpu/seen_keys.cpp" with { type: "text" };
import seenKeysHeader from "../kernels/cpu/seen_keys.h" with { type: "text" };
import simdBlockDots from "../kernels/cpu/simd_block_dots.inl" with { type: "text" };
import simdBlockPanels from "../kernels/cpu/simd_block_panels.inl" with { type: "text" };
import simdBlocks from "../kernels/cpu/simd_blocks.inl" with { type: "text" };
import simdFewRows from "../kernels/cpu/simd_few_rows.inl" with { type: "text" };
import simdFlat4 from "../kernels/cpu/simd_flat4.inl" with { type: "text" };
import simdKernels from "../kernels/cpu/simd_kernels.inl" with { type: "text" };
import simdVectors from "../kernels/cpu/simd_vectors.inl" with { type: "text" };
import tileCall from "../kernels/cpu/tile_call.cpp" with { type: "text" };
import tileCallHeader from "../kernels/cpu/tile_call.h" with { type: "text" };
import tileScores from "../kernels/cpu/tile_scores.cpp" with { type: "text" };
import tileScoresHeader from "../kernels/cpu/tile_scores.h" with { type: "text" };
import topKeys from "../kernels/cpu/top_keys.cpp" with { type: "text" };

/** Text of every file of the library by its path in `kernels/`. */
export const SOURCES: Readonly<Record<string, string>> = {
  "include/longlens.h": header,
  "common/asking_rows.cpp": askingRows,
  "common/asking_rows.h": askingRowsHeader,
  "common/cluster_calls.cpp": clusterCalls,
  "common/cluster_calls.h": clusterCallsHeader,
  "common/element_types.h": elementTypesHeader,
  "common/estimate_calls.cpp": estimateCalls,
  "common/estimate_calls.h": estimateCallsHeader,
  "common/flat4_calls.cpp": flat4Calls,
  "common/flat4_calls.h": flat4CallsHeader,
  "common/flat4_layout.h": flat4LayoutHeader,
  "common/free_ranges.cpp": freeRanges,
  "common/free_ranges.h": freeRangesHeader,
  "common/graph_calls.cpp": graphCalls,
  "common/graph_calls.h": graphCallsHeader,
  "common/head_groups.cpp": headGroups,
  "common/head_groups.h": headGroupsHeader,
  "common/key_calls.cpp": keyCalls,
  "common/key_calls.h": keyCallsHeader,
  "common/key_set.cpp": keySet,
  "common/key_set.h": keySetHeader,
  "common/key_units.cpp": keyUnits,
  "common/key_units.h": keyUnitsHeader,
  "common/memory_calls.cpp": memoryCalls,
  "common/memory_calls.h": memoryCallsHeader,
  "common/model_arguments.cpp": modelArguments,
  "common/model_arguments.h": modelArgumentsHeader,
  "common/page_calls.cpp": pageCalls,
  "common/page_calls.h": pageCallsHeader,
  "common/page_table.cpp": pageTable,
  "common/page_table.h": pageTableHeader,
  "common/status.cpp": status,
  "common/status.h": statusHeader,
  "common/tile_calls.cpp": tileCalls,
  "common/tile_calls.h": tileCallsHeader,
  "common/tile_plans.cpp": tilePlans,
  "common/tile_plans.h": tilePlansHeader,
  "cpu/amx.cpp": amx,
  "cpu/arena.cpp": arena,
  "cpu/arena.h": arenaHeader,
  "cpu/attend_keys.cpp": attendKeys,
  "cpu/attend_tiles.cpp": attendTiles,
  "cpu/avx2.cpp": avx2,
  "cpu/avx512.cpp": avx512,
  "cpu/avx512bf16.cpp": avx512Bf16,
  "cpu/best_keys.h": bestKeysHeader,
  "cpu/bf16_attention.cpp": bf16Attention,
  "cpu/bf16_attention.h": bf16AttentionHeader,
  "cpu/bf16_kernels.h": bf16KernelsHeader,
  "cpu/bf16_kernels.inl": bf16Kernels,
  "cpu/bf16_vectors.inl": bf16Vectors,
  "cpu/cluster_keys.cpp": clusterKeys,
  "cpu/cluster_search.cpp": clusterSearch,
  "cpu/cluster_tail.cpp": clusterTail,
  "cpu/convert.cpp": convert,
  "cpu/cpu_features.cpp": cpuFeatures,
  "cpu/cpu_features.h": cpuFeaturesHeader,
  "cpu/dispatch.cpp": dispatch,
  "cpu/dispatch.h": dispatchHeader,
  "cpu/encode_blocks.cpp": encodeBlocks,
  "cpu/encode_blocks.h": encodeBlocksHeader,
  "cpu/estimate_antidiagonals.cpp": estimateAntidiagonals,
  "cpu/estimate_blocks.cpp": estimateBlocks,
  "cpu/estimate_bounds.cpp": estimateBounds,
  "cpu/estimate_vertical_slash.cpp": estimateVerticalSlash,
  "cpu/flat4.cpp": flat4,
  "cpu/graph_build.cpp": graphBuild,
  "cpu/graph_links.cpp": graphLinks,
  "cpu/graph_links.h": graphLinksHeader,
  "cpu/graph_repair.cpp": graphRepair,
  "cpu/graph_repair.h": graphRepairHeader,
  "cpu/graph_search.cpp": graphSearch,
  "cpu/graph_search.h": graphSearchHeader,
  "cpu/kernels.h": kernelsHeader,
  "cpu/key_blocks.h": keyBlocksHeader,
  "cpu/key_rows.h": keyRowsHeader,
  "cpu/key_scores.cpp": keyScores,
  "cpu/key_scores.h": keyScoresHeader,
  "cpu/key_sets.cpp": keySets,
  "cpu/key_sets.h": keySetsHeader,
  "cpu/kv.cpp": kv,
  "cpu/kv.h": kvHeader,
  "cpu/linear.cpp": linear,
  "cpu/linear.h": linearHeader,
  "cpu/memory.cpp": memory,
  "cpu/model_ops.cpp": modelOps,
  "cpu/nearest_keys.cpp": nearestKeys,
  "cpu/packed_kv.cpp": packedKv,
  "cpu/packed_kv.h": packedKvHeader,
  "cpu/page_file.cpp": pageFile,
  "cpu/pool.cpp": pool,
  "cpu/pool.h": poolHeader,
  "cpu/pool_map.cpp": poolMap,
  "cpu/portable.cpp": portable,
  "cpu/quantise.cpp": quantise,
  "cpu/quantise.h": quantiseHeader,
  "cpu/query_panels.cpp": queryPanels,
  "cpu/query_panels.h": queryPanelsHeader,
  "cpu/score_listed_keys.cpp": scoreListedKeys,
  "cpu/score_listed_keys.h": scoreListedKeysHeader,
  "cpu/scratch.h": scratchHeader,
  "cpu/seen_keys.cpp": seenKeys,
  "cpu/seen_keys.h": seenKeysHeader,
  "cpu/simd_block_dots.inl": simdBlockDots,
  "cpu/simd_block_panels.inl": simdBlockPanels,
  "cpu/simd_blocks.inl": simdBlocks,
  "cpu/simd_few_rows.inl": simdFewRows,
  "cpu/simd_flat4.inl": simdFlat4,
  "cpu/simd_kernels.inl": simdKernels,
  "cpu/simd_vectors.inl": simdVectors,
  "cpu/tile_call.cpp": tileCall,
  "cpu/tile_call.h": tileCallHeader,
  "cpu/tile_scores.cpp": tileScores,
  "cpu/tile_scores.h": tileScoresHeader,
  "cpu/top_keys.cpp": topKeys,
};

/** A file to compile. */
export interface CompileUnit {
  /** Its path in {@link SOURCES}. */
  readonly path: string;
  /** Flags beside {@link COMMON_FLAGS}. */
  readonly flags: readonly string[];
}

/** Flags of every compile unit. */
export const COMMON_FLAGS: readonly string[] = [
  "-std=c++20",
  "-O3",
  "-fPIC",
  "-fno-math-errno",
  "-ffp-contract=fast",
  "-fvisibility=hidden",
  "-pthread",
  "-Wall",
  "-Wextra",
];

const AVX2_FLAGS: readonly string[] = ["-mavx2", "-mfma", "-mf16c"];
const AVX512_FLAGS: readonly string[] = [
  ...["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"],
  ...AVX2_FLAGS,
];
const AVX512_BF16_FLAGS: readonly string[] = ["-mavx512bf16", ...AVX512_FLAGS];

/** A compile unit for an instruction set, which not every compiler knows. */
export interface IsaUnit extends CompileUnit {
  /** Name of the instruction set. */
  readonly isa: string;
  /** One of its instructions, which compiler and assembler must know. */
  readonly instruction: string;
}

/** What knows one of them knows those before it: its flags hold theirs. */
const X86_UNITS: readonly IsaUnit[] = [
  {
    isa: "avx2",
    path: "cpu/avx2.cpp",
    flags: AVX2_FLAGS,
    instruction: "vpaddd %ymm0, %ymm0, %ymm0",
  },
  {
    isa: "avx512",
    path: "cpu/avx512.cpp",
    flags: AVX512_FLAGS,
    instruction: "vpaddd %zmm0, %zmm0, %zmm0",
  },
  {
    isa: "avx512bf16",
    path: "cpu/avx512bf16.cpp",
    flags: AVX512_BF16_FLAGS,
    instruction: "vdpbf16ps %zmm0, %zmm0, %zmm0",
  },
  {
    isa: "amx",
    path: "cpu/amx.cpp",
    flags: ["-mamx-tile", "-mamx-bf16", ...AVX512_BF16_FLAGS],
    instruction: "tdpbf16ps %tmm0, %tmm1, %tmm2",
  },
];

/** The units for instruction sets of an architecture as `Deno.build.arch` names it, from the oldest set to the latest. */
export function isaUnits(arch: string): readonly IsaUnit[] {
  return arch === "x86_64" ? X86_UNITS : [];
}

/**
 * What to compile for an architecture as `Deno.build.arch` names it. The units for the instruction sets `without` have no
 * flags, which makes them empty, and the library says that it lacks them.
 */
export function compileUnits(arch: string, without: readonly string[] = []): CompileUnit[] {
  const units = isaUnits(arch).filter(({ isa }) => !without.includes(isa));
  const flags = new Map(units.map((unit) => [unit.path, unit.flags]));
  const paths = Object.keys(SOURCES).filter((path) => path.endsWith(".cpp"));
  return paths.map((path) => ({ path, flags: flags.get(path) ?? [] }));
}

/** Flags of linking for an operating system as `Deno.build.os` names it. */
export function linkFlags(os: string): string[] {
  const flags = ["-shared", "-pthread"];
  return os === "linux" ? [...flags, "-Wl,--no-undefined", "-ldl"] : flags;
}
