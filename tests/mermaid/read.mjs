// Reads a JSON list of Mermaid texts on standard input and writes, for each, what Mermaid itself reads in it.

import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("");
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import("mermaid");
mermaid.initialize({ startOnLoad: false });

// Mermaid keeps entity codes in a form of its own until it draws; the browser then reads them as HTML.
function shown(text) {
  const element = window.document.createElement("div");
  element.innerHTML = text.replace(/ﬂ°°/g, "&#").replace(/ﬂ°/g, "&").replace(/¶ß/g, ";");
  return element.textContent;
}

async function read(text) {
  try {
    const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
    const boxes = [...db.getVertices().values()].map((one) => ({ id: one.id, text: shown(one.text), type: one.type }));
    const arrows = db.getEdges().map((one) => ({
      source: one.start,
      dest: one.end,
      text: shown(one.text ?? ""),
      stroke: one.stroke,
      style: one.style ?? [],
    }));
    const classes = [...db.getVertices().values()].map((one) => [one.id, one.classes]);
    return { boxes, arrows, classes: Object.fromEntries(classes) };
  } catch (error) {
    return { error: String(error) };
  }
}

const found = [];
for (const text of JSON.parse(readFileSync(0, "utf8"))) found.push(await read(text));
process.stdout.write(JSON.stringify(found));
