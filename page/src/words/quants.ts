/* GGUF files come as many quantisations of one model, of which a person wants one. Their names tell which. Pure. */

import type { FileRow } from "../api/types";

export interface Quant {
  name: string;
  paths: string[];
  size_bytes: number;
  /** the smallest usual memory it fits in, in GB; null: in none of them */
  fits_gb: number | null;
}

const QUANT = /(?:^|[-._/])((?:UD-)?(?:I?Q\d(?:_[0-9A-Z]+)*|BF16|F16|F32|FP16|MXFP4(?:_[A-Z]+)*|TQ\d_\d))(?=[-._/]|$)/i;
/** Memory sizes that are sold: GPUs and unified memory. */
const MEMORIES_GB = [4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128, 192];
/** Beside the weights there are context and buffers; a tenth and one GB is what a short context takes. */
const EXTRA = 1.1;
const EXTRA_BYTES = 1e9;

export function fitsIn(bytes: number): number | null {
  const need = bytes * EXTRA + EXTRA_BYTES;
  // Memory is sold in units of 2^30.
  return MEMORIES_GB.find((gb) => need <= gb * 2 ** 30) ?? null;
}

export function quantName(path: string): string | null {
  if (!/\.gguf$/i.test(path)) return null;
  return QUANT.exec(path.replace(/\.gguf$/i, ""))?.[1]?.toUpperCase() ?? null;
}

/** Groups the quants of a listing, smallest first. Projectors (mmproj) belong to all and are not a choice. */
export function findQuants(files: FileRow[]): Quant[] {
  const found = new Map<string, Quant>();
  for (const file of files) {
    const name = /mmproj/i.test(file.path) ? null : quantName(file.path);
    if (!name) continue;
    const quant = found.get(name) ?? { name, paths: [], size_bytes: 0, fits_gb: null };
    quant.paths.push(file.path);
    quant.size_bytes += file.size_bytes;
    found.set(name, quant);
  }
  return [...found.values()]
    .map((quant) => ({ ...quant, fits_gb: fitsIn(quant.size_bytes) }))
    .sort((a, b) => a.size_bytes - b.size_bytes);
}

/** The patterns for a choice of quants: everything but the quants that were not chosen. */
export function excludeOthers(quants: Quant[], chosen: Set<string>): string[] {
  return quants.filter((quant) => !chosen.has(quant.name)).flatMap((quant) => quant.paths);
}
