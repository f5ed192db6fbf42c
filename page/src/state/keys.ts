/* The keyboard: / add, j k move, p pause or resume, l limit, Enter files, ? keys. Works on whatever row has the focus. */

export const KEYS: [string, string][] = [
  ["/", "add a download"],
  ["j", "next row"],
  ["k", "row before"],
  ["Enter", "open or close the row"],
  ["p", "pause or resume"],
  ["l", "limit"],
  ["?", "these keys"],
  ["Esc", "close what is open"],
];

/** Where letters are text. */
function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("[data-row]")];
}

function current(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>("[data-row]") ?? null;
}

function step(by: 1 | -1): void {
  const all = rows();
  const row = current();
  const at = row ? all.indexOf(row) : by > 0 ? -1 : all.length;
  const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function press(key: string): boolean {
  const row = current() ?? (rows().length === 1 ? (rows()[0] ?? null) : null);
  const button = row?.querySelector<HTMLElement>(`[data-key="${key}"]`);
  button?.click();
  return button !== undefined && button !== null;
}

export interface KeyActions {
  add: () => void;
  help: () => void;
}

/** Returns what takes the listener off again. */
export function listenKeys(actions: KeyActions): () => void {
  const down = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") (event.target as HTMLElement).blur();
      return;
    }
    let used = true;
    if (event.key === "/") actions.add();
    else if (event.key === "?") actions.help();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "p" || event.key === "l") used = press(event.key);
    // On a button Enter is the button's own.
    else if (event.key === "Enter" && (event.target as HTMLElement).dataset?.["row"] !== undefined) used = press("Enter");
    else used = false;
    if (used) event.preventDefault();
  };
  document.addEventListener("keydown", down);
  return () => document.removeEventListener("keydown", down);
}
