/* Short messages at the edge of the page, some with a way back. */

export interface Toast {
  id: number;
  text: string;
  tone: "plain" | "bad";
  undo: (() => void) | null;
  until_unix_ms: number;
}

/** As long as a cancelled job can be taken back with one click. */
export const UNDO_MS = 10_000;
const SHOWN_MS = 6_000;
/** More at once would hide the page. */
const MOST = 4;

export class Toasts {
  private list: Toast[] = [];
  private next = 1;
  private listener: ((list: readonly Toast[]) => void) | null = null;

  onChange(listener: (list: readonly Toast[]) => void): () => void {
    this.listener = listener;
    return () => {
      this.listener = null;
    };
  }

  say(text: string, how: { tone?: "plain" | "bad"; undo?: () => void } = {}): void {
    const id = this.next++;
    const last = how.undo || how.tone === "bad" ? UNDO_MS : SHOWN_MS;
    const toast: Toast = {
      id,
      text,
      tone: how.tone ?? "plain",
      undo: how.undo ?? null,
      until_unix_ms: Date.now() + last,
    };
    this.set([...this.list, toast].slice(-MOST));
    setTimeout(() => this.drop(id), last);
  }

  bad(what: string, error: unknown): void {
    this.say(`${what}: ${error instanceof Error ? error.message : String(error)}`, { tone: "bad" });
  }

  drop(id: number): void {
    this.set(this.list.filter((toast) => toast.id !== id));
  }

  private set(list: Toast[]): void {
    this.list = list;
    this.listener?.(list);
  }
}
