/* Server-sent events from the bytes of a fetch: EventSource cannot send the Authorization header.
 *
 * Pure: text goes in piece by piece, whole messages come out. The format is the one of the HTML standard, section
 * "Server-sent events"; retry: is not used here, since the link has its own delays. */

export interface SseMessage {
  id: string;
  type: string;
  data: string;
}

/** No event of ours comes near this; what grows past it is not our daemon. */
const MESSAGE_MAX = 8 * 1024 * 1024;

export class SseReader {
  private rest = "";
  private type = "";
  private data: string[] = [];
  private held = 0;
  lastId = "";

  /** Takes any piece of the stream and returns the messages it completed. */
  push(piece: string): SseMessage[] {
    const done: SseMessage[] = [];
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = this.line(line);
      if (message) done.push(message);
    }
    if (this.rest.length + this.held > MESSAGE_MAX) throw new Error("an event without an end");
    return done;
  }

  private line(line: string): SseMessage | null {
    if (line === "") return this.dispatch();
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.type = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "data") {
      this.data.push(value);
      this.held += value.length;
    }
    return null;
  }

  private dispatch(): SseMessage | null {
    const data = this.data.join("\n");
    const type = this.type || "message";
    const empty = this.data.length === 0;
    this.data = [];
    this.held = 0;
    this.type = "";
    return empty ? null : { id: this.lastId, type, data };
  }
}
