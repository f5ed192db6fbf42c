/* What people paste: ORG/NAME, ORG/NAME@REV, a Hub address with tree, blob or resolve, a whole command line.
 *
 * Pure. The daemon checks again and has the last word; this only saves typing. */

import type { RepoType } from "../api/types";

export interface RepoAsked {
  repo: string;
  type: RepoType;
  revision: string;
  path: string;
}

const NAME = /^[A-Za-z0-9][\w.-]{0,95}$/;
const HOSTS = /^(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\//i;
const TYPES: Record<string, RepoType> = { datasets: "dataset", spaces: "space", models: "model" };
const COMMANDS = /^(?:\$\s*)?(?:hf-pull(?:\s+pull)?|hf\s+download|huggingface-cli\s+download|git\s+clone)\s+/;

function split(text: string): { words: string[]; revision: string; path: string } {
  const [before, query] = text.split(/[?#]/, 2) as [string, string | undefined];
  void query;
  const parts = before.replace(/\/+$/, "").split("/").filter(Boolean);
  const verb = parts.findIndex((part, i) => i >= 1 && ["tree", "blob", "resolve"].includes(part));
  if (verb < 0) return { words: parts, revision: "", path: "" };
  const rest = parts.slice(verb + 1).map(decodeURIComponent);
  const isRef = rest[0] === "refs" && rest.length >= 3; // refs/pr/4
  const revision = isRef ? rest.slice(0, 3).join("/") : (rest[0] ?? "");
  const path = rest.slice(isRef ? 3 : 1).join("/");
  return { words: parts.slice(0, verb), revision, path: parts[verb] === "tree" && path ? `${path}/` : path };
}

export function parseHubLink(text: string): RepoAsked | null {
  let rest = text.trim();
  if (COMMANDS.test(rest)) rest = rest.replace(COMMANDS, "").split(/\s/, 1)[0] ?? "";
  const isLink = HOSTS.test(rest);
  if (/\s/.test(rest) || (!isLink && rest.includes("://"))) return null;
  rest = rest.replace(HOSTS, "").replace(/\.git$/, "");
  let found: ReturnType<typeof split>;
  try {
    found = split(rest);
  } catch {
    return null; // a broken %xx
  }
  const words = [...found.words];
  let { revision, path } = found;
  const type = TYPES[words[0] ?? ""];
  if (type) words.shift();
  if (!isLink) {
    // ORG/NAME[@REV][:PATH]
    const tail = /^([^@:]+)(?:@([^:]+))?(?::(.+))?$/.exec(words.join("/"));
    if (!tail?.[1]) return null;
    words.splice(0, words.length, ...tail[1].split("/"));
    revision = tail[2] ?? revision;
    path = tail[3] ?? path;
  }
  if (words.length < 1 || words.length > 2 || !words.every((word) => NAME.test(word))) return null;
  return { repo: words.join("/"), type: type ?? "model", revision, path };
}
