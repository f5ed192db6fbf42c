// Bundles the tests with the esbuild that Vite brings, and runs them with node's own runner: one TAP line a test.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const names = readdirSync(here).filter((name) => name.endsWith(".test.ts")).sort();
const folder = mkdtempSync(join(tmpdir(), "hf-pull-page-"));
try {
  const outfile = join(folder, "tests.mjs");
  await build({
    stdin: { contents: names.map((name) => `import "./${name}";`).join("\n"), resolveDir: here },
    bundle: true,
    format: "esm",
    platform: "node",
    outfile,
    logLevel: "warning",
  });
  const env = { ...process.env, TZ: "UTC" }; // clocks in the tests are read in this zone
  const ran = spawnSync(process.execPath, ["--test-reporter=tap", outfile], { stdio: "inherit", env });
  process.exitCode = ran.status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
