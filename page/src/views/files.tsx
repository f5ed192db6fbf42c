/* The files of one job. Ten thousand of them stay smooth: only the rows in sight exist. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { FileRow, FileState, Front, Job } from "../api/types";
import { FileList } from "../state/filelist";
import type { State } from "../state/model";
import { windowOf } from "../state/window";
import { grouped, percent, rate, size } from "../words/format";
import type { IconName } from "../words/job";
import { CopyButton } from "./bits";
import { useHouse, useStore } from "./context";
import { Icon } from "./icons";

const ROW_PX = 38;
const NARROW_ROW_PX = 58;
const MOST_ROWS = 10;

const STATES: Record<FileState, { icon: IconName; tone: string }> = {
  planned: { icon: "hourglass", tone: "quiet" },
  fetching: { icon: "play", tone: "move" },
  proved: { icon: "check", tone: "good" },
  repaired: { icon: "wrench", tone: "good" },
  damaged: { icon: "cross", tone: "bad" },
  missing: { icon: "cross", tone: "bad" },
  failed: { icon: "cross", tone: "bad" },
};

function useNarrow(): boolean {
  const query = useMemo(() => matchMedia("(max-width: 700px)"), []);
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const change = () => setNarrow(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, [query]);
  return narrow;
}

const linkState = (state: State) => state.link.state;

function useFiles(job: Job): FileList {
  const { link } = useHouse();
  const [, draw] = useState(0);
  const line = useStore(linkState);
  const list = useMemo(
    () => new FileList((offset, limit) => api.files(job.id, offset, limit), () => draw((n) => n + 1)),
    [job.id, job.commit],
  );
  useEffect(() => link.onFiles(job.id, (files) => list.update(files)), [link, list, job.id]);
  // Rows change with the state of the job too, and while the line was gone nobody said so.
  useEffect(() => {
    if (line === "live") list.stale();
  }, [list, line, job.state, job.files_proved === job.files_total]);
  return list;
}

export function Files({ job }: { job: Job }) {
  const list = useFiles(job);
  const narrow = useNarrow();
  const row = narrow ? NARROW_ROW_PX : ROW_PX;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const total = Math.max(job.files_total, list.known);
  const height = Math.min(total, MOST_ROWS) * row;
  const view = windowOf(top, height, row, total);
  useLayoutEffect(() => void list.need(view.first, view.end, total));
  const moving = new Map(job.fronts.map((front) => [front.path, front]));
  if (total === 0) return <p class="muted">The list of files is not known yet.</p>;
  const rows = [];
  for (let i = view.first; i < view.end; i++) {
    const file = list.row(i);
    rows.push(<Row key={i} index={i} file={file} front={file && moving.get(file.path)} top={i * row} height={row} />);
  }
  return (
    <div class="files" role="table" aria-label={`Files of ${job.repo}`} aria-rowcount={total + 1}>
      <div role="rowgroup" class="files-head">
        <div role="row" aria-rowindex={1}>
          {["File", "Size", "Progress", "State", "Hash", "Source"].map((name) => (
            <span role="columnheader" key={name}>
              {name}
            </span>
          ))}
        </div>
      </div>
      <div
        class="files-body"
        role="rowgroup"
        ref={box}
        tabIndex={0}
        aria-label={`${grouped(total)} files, scrollable`}
        style={{ height: `${height}px` }}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <div role="presentation" class="files-all" style={{ height: `${total * row}px` }}>
          {rows}
        </div>
      </div>
    </div>
  );
}

interface RowProps {
  index: number;
  file: FileRow | undefined;
  front: Front | undefined;
  top: number;
  height: number;
}

function Row({ index, file, front, top, height }: RowProps) {
  const where = { top: `${top}px`, height: `${height}px` };
  if (!file) {
    return (
      <div role="row" aria-rowindex={index + 2} class="file" style={where}>
        <span role="cell" class="muted">
          loading
        </span>
      </div>
    );
  }
  const recorded = front ? Math.max(front.recorded_bytes, file.recorded_bytes) : file.recorded_bytes;
  const part = file.size_bytes === 0 ? 100 : percent(recorded, file.size_bytes);
  const { icon, tone } = STATES[file.state] ?? STATES.planned;
  return (
    <div role="row" aria-rowindex={index + 2} class="file" style={where}>
      <span role="cell" class="file-name" title={file.path}>
        {file.path}
      </span>
      <span role="cell" class="number">
        {size(file.size_bytes)}
      </span>
      <span role="cell" class="file-bar">
        <span class="bar thin" aria-hidden="true">
          <i class={file.state === "proved" ? "in-place" : "recorded"} style={{ width: `${part}%` }} />
        </span>
        <span class="number">{part} %</span>
      </span>
      <span role="cell" class={`tone-${tone} file-state`}>
        <Icon name={icon} />
        {front && front.rate_bytes_per_s > 0 ? rate(front.rate_bytes_per_s) : file.state}
      </span>
      <span role="cell" class="file-hash">
        {file.hash ? (
          <>
            <code title={file.hash}>{file.hash.slice(0, 10)}</code>
            <CopyButton text={file.hash} what={`the hash of ${file.path}`} />
          </>
        ) : (
          <span class="muted">none yet</span>
        )}
      </span>
      <span role="cell" class="file-host" title={file.host ?? ""}>
        {file.host ?? <span class="muted">–</span>}
      </span>
    </div>
  );
}
