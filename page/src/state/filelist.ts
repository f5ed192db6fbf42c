/* The rows of one job's file list, page by page as they come into sight, and changed rows as the stream brings them. */

import type { FileRow } from "../api/types";

/** The most the daemon gives at once. */
export const FILES_PAGE = 500;
const AGAIN_MS = 1_000;

export type Fetch = (offset: number, limit: number) => Promise<{ files: FileRow[]; files_next: number | null }>;

export class FileList {
  private rows: (FileRow | undefined)[] = [];
  private at = new Map<string, number>();
  /** Pages that were asked for, and with which question: an older answer never stands over a newer one. */
  private asked = new Map<number, number>();
  private questions = 0;

  constructor(
    private readonly fetch: Fetch,
    private readonly changed: () => void,
  ) {}

  row(index: number): FileRow | undefined {
    return this.rows[index];
  }

  get known(): number {
    return this.at.size;
  }

  /** Asks for the pages that hold the rows from first to end (excluded) of so many, each once. */
  async need(first: number, end: number, total: number): Promise<void> {
    const pages: number[] = [];
    for (let page = Math.floor(first / FILES_PAGE); page * FILES_PAGE < end; page++)
      if (!this.asked.has(page)) pages.push(page);
    await Promise.all(pages.map((page) => this.load(page, total)));
  }

  private async load(page: number, total: number): Promise<void> {
    const question = ++this.questions;
    const forget = () => {
      if (this.asked.get(page) === question) this.asked.delete(page);
    };
    this.asked.set(page, question);
    try {
      const got = await this.fetch(page * FILES_PAGE, FILES_PAGE);
      if ((this.asked.get(page) ?? question) > question) return;
      got.files.forEach((file, i) => {
        this.rows[page * FILES_PAGE + i] = file;
        this.at.set(file.path, page * FILES_PAGE + i);
      });
      // The daemon may still be taking in the listing: it knows how many, and not yet which.
      if (got.files.length < Math.min(FILES_PAGE, total - page * FILES_PAGE)) setTimeout(forget, AGAIN_MS);
      this.changed();
    } catch {
      forget(); // the next look asks again
    }
  }

  /** Rows that are not loaded need no change: they come whole when they are looked at. */
  update(files: readonly FileRow[]): void {
    let any = false;
    for (const file of files) {
      const index = this.at.get(file.path);
      if (index === undefined) continue;
      this.rows[index] = { ...this.rows[index], ...file };
      any = true;
    }
    if (any) this.changed();
  }

  /** After a lost connection: what is in sight is asked for again, and the old rows stay until the answer is there. */
  stale(): void {
    this.asked.clear();
    this.changed();
  }
}
