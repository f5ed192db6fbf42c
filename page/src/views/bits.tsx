/* Small parts that several views share. */

import { Component } from "preact";
import type { ComponentChildren, ComponentType, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Job } from "../api/types";
import { percent, size, sizeOf } from "../words/format";
import { provedWords, readsDisk, shownBytes } from "../words/job";
import { useHouse } from "./context";
import { Icon } from "./icons";

/** Draws again only when a property is another object: a job that did not change costs nothing. */
export function memo<P extends object>(View: (props: P) => JSX.Element | null): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const keys = Object.keys(next) as (keyof P)[];
      return keys.some((key) => next[key] !== (this.props as P)[key]);
    }
    override render() {
      return <View {...(this.props as P)} />;
    }
  };
}

interface ActProps {
  label: ComponentChildren;
  /** for a button that shows only an icon, or to say of what */
  title?: string;
  /** what failed, for the message */
  what: string;
  run: () => Promise<unknown>;
  class?: string;
  disabled?: boolean;
  shortcut?: string;
}

/** A button that asks the daemon: off until the answer is there, and the server's own words when it says no. */
export function Act({ label, title, what, run, class: kind, disabled, shortcut }: ActProps) {
  const { toasts } = useHouse();
  const [busy, setBusy] = useState(false);
  const here = useRef(true);
  useEffect(() => () => void (here.current = false), []);
  const click = async () => {
    if (busy) return;
    setBusy(true);
    try {
      await run();
    } catch (error) {
      toasts.bad(what, error);
    }
    if (here.current) setBusy(false);
  };
  return (
    <button
      type="button"
      class={`button ${kind ?? ""}`}
      aria-label={title}
      title={title}
      aria-busy={busy}
      aria-disabled={disabled || busy}
      data-key={shortcut}
      onClick={disabled ? undefined : () => void click()}
    >
      {label}
    </button>
  );
}

interface MenuProps {
  label: ComponentChildren;
  title?: string;
  /** what is read out, where the label alone does not say of what; it contains the label */
  name?: string;
  class?: string;
  shortcut?: string;
  /** drawn only while open; `close` puts the focus back */
  children: (close: () => void) => ComponentChildren;
}

/** A button with a small panel below it. Escape and a click elsewhere close it. */
export function Menu({ label, title, name, class: kind, shortcut, children }: MenuProps) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = () => {
    setOpen(false);
    // A choice closes the menu when the daemon has answered: who went on meanwhile keeps the focus.
    if (box.current?.contains(document.activeElement)) box.current.querySelector<HTMLElement>("button")?.focus();
  };
  // With the panel itself: an effect comes a frame later, and would take what is typed meanwhile away from its field.
  useLayoutEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLElement>(".panel :is(input, button, [tabindex])")?.focus();
    const outside = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open]);
  return (
    <div
      class="menu"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        event.stopPropagation();
        close();
      }}
    >
      <button
        type="button"
        class={`button ${kind ?? ""}`}
        aria-expanded={open}
        aria-controls={id}
        aria-label={name}
        title={title ?? name}
        data-key={shortcut}
        onClick={() => setOpen(!open)}
      >
        {label}
        {kind?.includes("icon-only") ? null : <Icon name="chevron" />}
      </button>
      <div class="panel" id={id} hidden={!open}>
        {open ? children(close) : null}
      </div>
    </div>
  );
}

/** For a draft whose `sent` text is saved now: gone, unless another one was typed while the daemon had not answered. */
export const unlessTyped = (sent: string | null) => (draft: string | null) => (draft === sent ? null : draft);

export function CopyButton({ text, what }: { text: string; what: string }) {
  const { toasts } = useHouse();
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    } catch {
      toasts.say(`The browser does not let this page copy. ${what}: ${text}`);
    }
  };
  return (
    <button type="button" class="button icon-only small" aria-label={`Copy ${what}`} title={`Copy ${what}`} onClick={() => void copy()}>
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}

/** Three tones of one colour: in place, recorded, received. A full bar means all of it. */
export function Bar({ job }: { job: Job }) {
  const total = Math.max(job.total_bytes, 1);
  const width = (bytes: number) => ({ width: `${Math.min(100, (bytes / total) * 100)}%` });
  const here = shownBytes(job);
  const isRead = readsDisk(job);
  const said = job.total_bytes
    ? `${percent(here, job.total_bytes)} %, ${sizeOf(here, job.total_bytes)}, ${provedWords(job)}`
    : "the size is not known yet";
  return (
    <div
      class={`bar ${job.stalled || job.state === "waiting" ? "is-waiting" : ""} ${job.state === "failed" ? "is-bad" : ""}`}
      role="progressbar"
      aria-label={`Progress of ${job.repo}`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent(here, job.total_bytes)}
      aria-valuetext={said}
      title={
        isRead
          ? `read ${size(job.checked_bytes)}, proved ${size(job.proved_bytes)}`
          : `in place ${size(job.in_place_bytes)}, recorded ${size(job.recorded_bytes)}, received ${size(job.received_bytes)}`
      }
    >
      {isRead ? null : <i class="received" style={width(Math.max(job.received_bytes, here))} />}
      <i class="recorded" style={width(here)} />
      <i class="in-place" style={width(isRead ? here : job.in_place_bytes)} />
      {job.state === "repairing" ? <i class="notch" style={{ left: `${notchAt(job)}%` }} /> : null}
    </div>
  );
}

/** Where in the whole the block lies that is fetched again: at the end of what the front file has. */
function notchAt(job: Job): number {
  const front = job.fronts[0];
  const at = front && job.total_bytes > 0 ? (front.recorded_bytes / job.total_bytes) * 100 : percent(job.proved_bytes, job.total_bytes);
  return Math.min(99, Math.max(0, at));
}

/** A question that must be answered before anything happens. The browser's own dialog keeps the focus inside. */
export function Confirm(props: {
  title: string;
  children: ComponentChildren;
  yes: string;
  danger?: boolean;
  onYes: () => void;
  onNo: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby={title} onClose={props.onNo}>
      <h2 id={title}>{props.title}</h2>
      <div class="dialog-text">{props.children}</div>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          No, keep it
        </button>
        <button type="button" class={`button ${props.danger ? "danger" : "primary"}`} onClick={props.onYes}>
          {props.yes}
        </button>
      </div>
    </dialog>
  );
}
