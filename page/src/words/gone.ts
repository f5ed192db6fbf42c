/* What left the cache of itself, in a sentence. Pure. */

import type { Gone } from "../state/model";
import { count, size } from "./format";

/** What the quota took between two states; empty when nothing. */
export function evicted(before: Gone, now: Gone): string {
  const n = now.by_quota - before.by_quota;
  if (n <= 0) return "";
  const what = n === 1 && now.last ? `${now.last.repo} ${now.last.commit.slice(0, 7)}` : count(n, "revision");
  return `Quota: deleted ${what}, ${size(now.by_quota_bytes - before.by_quota_bytes)} freed.`;
}
