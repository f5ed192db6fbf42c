/* A message of the stream as one of the kinds the page knows; null for kinds of a newer daemon. Pure. */

import type { SseMessage } from "./sse";
import type { Foreign, ServerEvent } from "./types";

const KINDS = new Set(["hello", "job", "job_removed", "files", "queue", "settings", "cache", "foreign", "network", "lost"]);

export function decodeEvent(message: SseMessage): ServerEvent | null {
  if (!KINDS.has(message.type)) return null;
  let data: unknown;
  try {
    data = JSON.parse(message.data);
  } catch {
    return null;
  }
  if (message.type === "foreign" && Array.isArray(data)) data = { downloads: data as Foreign[] };
  if (message.type !== "lost" && (typeof data !== "object" || data === null)) return null;
  return { type: message.type, data } as ServerEvent;
}
