// The page's scripts share one function scope: they can only be run by pasting them into a function.
import fs from "node:fs";

const folder = new URL("../../../nonlocal_viz/web/canvas/", import.meta.url);

export function load(files, names) {
  const body = files.map((f) => fs.readFileSync(new URL(f, folder), "utf8")).join("\n");
  return new Function(`"use strict";${body}\nreturn {${names.join(",")}};`)();
}

export const golden = JSON.parse(fs.readFileSync(process.env.NONLOCAL_VIZ_GOLDEN, "utf8"));
