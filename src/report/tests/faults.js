// What of a page can't be read: gathered in an attribute of its body, for the tests.
const faults = [];
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, most = Infinity) {
  const width = Math.min(this.measureText(text).width, most);
  const left = { left: x, center: x - width / 2, right: x - width }[this.textAlign];
  if (left < -1 || left + width > this.canvas.clientWidth + 1) faults.push(`cut in a chart: ${text}`);
  fillText.apply(this, arguments);
};
addEventListener("load", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const lines = (node, from, to) => {
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, to);
    return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size;
  };
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    if (node.parentElement.closest("pre, code, svg")) continue;
    for (const word of node.data.matchAll(/\p{L}{2,16}|\d \S+/gu))
      if (lines(node, word.index, word.index + word[0].length) > 1) faults.push(`broken: "${word[0]}" of "${node.data}"`);
  }
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push(`${wide} pixels wider than the screen`);
  for (const cell of document.querySelectorAll("td, th, li, p"))
    if (cell.scrollWidth > cell.clientWidth + 1 && cell.clientWidth) faults.push(`cut: ${cell.textContent}`);
  document.body.dataset.faults = JSON.stringify({ width: innerWidth, faults: [...new Set(faults)] });
});
