/* Line icons of 16 by 16, drawn here. They never stand alone: a word is beside each, or a label on its button. */

import type { IconName } from "../words/job";

type Name = IconName | "up" | "down" | "gear" | "copy" | "close" | "more" | "chevron" | "undo" | "plus" | "folder" | "bell" | "out";

const PATHS: Record<Name, string> = {
  play: "M5 3.2v9.6L12.6 8z",
  pause: "M5.2 3.5v9M10.8 3.5v9",
  hourglass: "M4.5 2.5h7M4.5 13.5h7M5.2 2.5c0 3 5.6 3.4 5.6 5.5S5.2 10.500 5.200 13.500M10.800 2.500c0 3-5.600 3.400-5.600 5.500s5.600 2.500 5.600 5.500",
  eye: "M1.500 8S4 3.800 8 3.800 14.500 8 14.500 8 12 12.200 8 12.200 1.500 8 1.500 8zM8 6.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600z",
  check: "M3 8.500l3.200 3.200L13 4.800",
  cross: "M4 4l8 8M12 4l-8 8",
  stop: "M4.200 4.200h7.600v7.600H4.200z",
  stall: "M8 2.200L14.500 13.500h-13zM8 6.500v3.200M8 11.500v.300",
  search: "M7 2.800a4.200 4.200 0 1 0 0 8.400 4.200 4.200 0 0 0 0-8.400zM10.200 10.200l3.300 3.300",
  wrench: "M13.300 4.700a3.300 3.300 0 0 1-4.400 4.100L4.600 13.100a1.200 1.200 0 0 1-1.700-1.700l4.300-4.300a3.300 3.300 0 0 1 4.100-4.400L9.500 4.500l.300 1.700 1.700.300z",
  up: "M8 13V3.500M4 7.200L8 3.200l4 4",
  down: "M8 3v9.500M4 8.800l4 4 4-4",
  gear: "M8 5.700a2.300 2.300 0 1 0 0 4.600 2.300 2.300 0 0 0 0-4.600zM8 1.700v1.800M8 12.500v1.800M1.700 8h1.800M12.500 8h1.800M3.550 3.550l1.270 1.270M11.180 11.180l1.270 1.270M3.550 12.450l1.270-1.270M11.180 4.820l1.270-1.270",
  copy: "M5.500 5.500h7.500V13H5.500zM3 10.500V3h7.500",
  close: "M4 4l8 8M12 4l-8 8",
  more: "M3.500 8h.010M8 8h.010M12.500 8h.010",
  chevron: "M4 6l4 4 4-4",
  undo: "M6 3L3 6l3 3M3 6h6.500a3.500 3.500 0 0 1 0 7H7",
  plus: "M8 3v10M3 8h10",
  folder: "M2 4.500h4l1.500 1.800H14v6.200H2z",
  bell: "M4 11V7.500a4 4 0 0 1 8 0V11l1.200 1.200H2.800zM6.800 13.800h2.400",
  out: "M9.500 3H13v3.500M13 3L7.500 8.500M11 9.500V13H3V5h3.500",
};

const FILLED = new Set<Name>(["play", "stop"]);

export function Icon({ name }: { name: Name }) {
  return (
    <svg
      class={FILLED.has(name) ? "icon filled" : name === "more" ? "icon dots" : "icon"}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
