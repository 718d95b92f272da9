// remote.js: rows of a block that is too big for the browser, asked of the server. Gives: fetched, onRow.

let rowWanted = null, rowAsked = null, rowTimer = null;

// The weights if they are here already; else null, and they are asked for when the pointer rests.
function fetched(block, index, direction) {
  const { got } = block;
  if (got && got.index === index && got.direction === direction) return got.weights;
  rowWanted = { block, index, direction };
  clearTimeout(rowTimer);
  rowTimer = setTimeout(askRow, 80);
  return null;
}

// One question at a time; of those that come up meanwhile only the last is asked.
function askRow() {
  if (rowAsked || !rowWanted || state.waiting) return;
  const { block, index, direction } = (rowAsked = rowWanted);
  rowWanted = null;
  const grid = direction === "row" ? block.queries : block.keys, r = rect(grid, index);
  trigger("row", { source: state.source, block: block.block, direction, frame: place(grid, index)[0],
    x: (r.left + r.right) / 2, y: (r.top + r.bottom) / 2 });
}

async function onRow(value) {
  const asked = rowAsked;
  if (asked && JSON.stringify(value.source) === JSON.stringify(state.source)) {
    const response = await fetch(value.weights.url);
    if (!response.ok) throw new Error(response.statusText);
    const { block, index, direction } = asked;
    block.got = { index, direction, weights: new Float32Array(await response.arrayBuffer()) };
  }
  rowAsked = null;
  refresh();
  askRow();
}
