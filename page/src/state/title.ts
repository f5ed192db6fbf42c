/* The tab's title and small picture say how it goes while another tab is looked at. */

import { rate } from "../words/format";
import type { Overall, Sum } from "./select";

export function titleOf(sum: Sum, lost: boolean): string {
  if (lost) return "connection lost – hf-pull";
  if (sum.overall === "running") return `${sum.percent === null ? "" : `${sum.percent} % `}↓ ${rate(sum.rate_bytes_per_s)} – hf-pull`;
  if (sum.overall === "stalled") return `stalled${sum.percent === null ? "" : ` at ${sum.percent} %`} – hf-pull`;
  if (sum.overall === "failed") return "failed – hf-pull";
  if (sum.overall === "done") return "proved – hf-pull";
  return "hf-pull";
}

export function pictureOf(overall: Overall, lost: boolean): string {
  return `./assets/icons/${lost ? "stalled" : overall}.svg`;
}

export function showTitle(sum: Sum, lost: boolean): void {
  const title = titleOf(sum, lost);
  if (document.title !== title) document.title = title;
  const picture = pictureOf(sum.overall, lost);
  const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  if (link && link.getAttribute("href") !== picture) link.setAttribute("href", picture);
}
