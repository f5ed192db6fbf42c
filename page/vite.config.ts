import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { mock } from "./dev/mock";

/** The daemon sends the same; here it shows at once what the policy would break. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // nothing inline: the policy has no 'unsafe-inline' and no data: for scripts and styles
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    emptyOutDir: true,
    outDir: process.env["HFP_PAGE_OUT"] ?? "dist",
  },
  plugins: [licences(), ...(process.env["HFP_MOCK"] ? [mock()] : [])],
  preview: { headers: { "Content-Security-Policy": POLICY } },
  // With HFP_DAEMON=http://127.0.0.1:8585 the page in work talks to a running daemon.
  server: process.env["HFP_DAEMON"] ? { proxy: { "/api": process.env["HFP_DAEMON"], "/healthz": process.env["HFP_DAEMON"] } } : {},
});

/** What the page is made of asks for its notice to come along. */
function licences() {
  return {
    name: "licences",
    apply: "build" as const,
    generateBundle(this: { emitFile: (file: { type: "asset"; fileName: string; source: string }) => void }) {
      const parts = ["preact", "uplot"].map((name) => {
        const text = readFileSync(new URL(`node_modules/${name}/LICENSE`, import.meta.url), "utf8");
        return `${name}\n\n${text.trim()}\n`;
      });
      this.emitFile({ type: "asset", fileName: "assets/licences.txt", source: parts.join("\n\n") });
    },
  };
}
