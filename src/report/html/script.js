// Charts that can be zoomed and asked, in place of the static ones, from the numbers in the page.
// Drag to zoom along the axis, double-click to see all again, point to read values, click a name to hide its line.
"use strict";
(() => {
  const LEFT = 64, RIGHT = 14, GAP = 44, BOTTOM = 44;
  // Above the panels: the title of the first, and a row with the names of spans, if there are any.
  const TITLE = 26, ROW = 22;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // Numbers in words.
  const digits = (value, step) => value.toFixed(Math.max(0, Math.min(9, -Math.floor(Math.log10(step) + 1e-9))));
  const grouped = (text) => {
    const [whole, fraction] = text.split(".");
    const spaced = whole.replace("-", "").length < 5 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
    return fraction === undefined ? spaced : spaced + "." + fraction;
  };
  const short = (value) => {
    if (value === 0) return "0";
    const places = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(Math.abs(value)))));
    return grouped(value.toFixed(places).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""));
  };
  const bytes = (value) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (Math.abs(value) >= 999.5 && unit < units.length - 1) { value /= 1024; unit += 1; }
    return short(value) + " " + units[unit];
  };
  const seconds = (value) => {
    const size = Math.abs(value);
    return size < 1e-3 ? short(value * 1e6) + " µs" : size < 1 ? short(value * 1e3) + " ms" : short(value) + " s";
  };
  const clock = (value) => {
    if (value < 120) return short(value) + " s";
    const s = Math.round(value), pad = (n) => String(n).padStart(2, "0");
    return s < 7200 ? `${Math.floor(s / 60)}:${pad(s % 60)} min` : `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)} h`;
  };
  const words = { bytes, count: short, clock, latency: seconds };

  // Round positions for ticks.
  const roundStep = (rough) => {
    const power = 10 ** Math.floor(Math.log10(rough));
    return power * ([1, 2, 5, 10].find((m) => m * power >= rough * 0.999) || 10);
  };
  const clockSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  const ticks = (unit, log, [low, high], count) => {
    if (!(high > low)) return [];
    const marks = [];
    if (log) {
      const parts = 3 * Math.log10(high / low) <= count ? [1, 2, 5] : [1];
      for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
        for (const part of parts) {
          const value = part * 10 ** e;
          if (value >= low && value <= high) marks.push([value, seconds(value)]);
        }
      return marks;
    }
    const rough = (high - low) / Math.max(1, count);
    let step, size = 1;
    if (unit === "clock" && rough >= 1) step = clockSteps.find((s) => s >= rough) || roundStep(rough / 86400) * 86400;
    else if (unit === "bytes") {
      const top = Math.max(Math.abs(low), Math.abs(high));
      size = top < 4096 ? 1 : top < 2 ** 20 ? 1024 : top < 2 ** 33 ? 2 ** 20 : 2 ** 30;
      step = roundStep(rough / size);
    } else step = roundStep(rough);
    for (let i = Math.ceil(low / size / step - 1e-6); marks.length < 64 && i * step <= high / size + step * 1e-6; i++) {
      const value = i * step;
      const name = unit === "clock" && rough >= 1 ? clock(value) : unit === "latency" ? seconds(value) : grouped(digits(value, step));
      marks.push([value * size, name]);
    }
    return marks;
  };
  const byteUnit = (top) => (top < 4096 ? "B" : top < 2 ** 20 ? "KiB" : top < 2 ** 33 ? "MiB" : "GiB");

  // The point of sorted pieces that is nearest to x.
  const nearest = (pieces, x) => {
    let best = null;
    for (const piece of pieces) {
      let low = 0, high = piece.length - 1;
      if (high < 0 || x < piece[0][0] - 1e-9 && best) continue;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (piece[middle][0] < x) low = middle; else high = middle;
      }
      for (const point of [piece[low], piece[high]])
        if (!best || Math.abs(point[0] - x) < Math.abs(best[0] - x)) best = point;
    }
    return best;
  };

  const show = (holder, figure) => {
    const live = make("div", "live");
    const stage = make("div", "stage");
    const canvas = make("canvas");
    const tip = make("div", "tip");
    const keys = make("div", "keys");
    const hint = make("div", "hint");
    const all = make("button", "", "see all");
    tip.hidden = true;
    all.hidden = true;
    all.type = "button";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", figure.title);
    hint.append(make("span", "", "Point to read values, drag to zoom, click a name to hide its line."), all);
    stage.append(canvas, tip);
    live.append(stage, keys, hint);
    holder.append(live);
    holder.classList.add("on");

    const hidden = new Set();
    let view = figure.x.range.slice();
    let pointer = null, drag = null, plots = [];
    const names = figure.spans.length ? ROW : 0;
    const TOP = TITLE + names;
    const colour = (curve) => (curve.colours ? curve.colours[dark.matches ? 1 : 0] : css("--muted"));
    const part = (curve) => curve.kind === "fit" || curve.kind === "band";
    const visible = (curve) => !hidden.has(curve.owner || curve.name);

    for (const panel of figure.panels) {
      let owner = null;
      for (const curve of panel.curves) {
        if (part(curve)) curve.owner = owner;
        else owner = curve.name;
      }
    }
    // Beside each panel, a key for each of its lines, and one for the crowd.
    const buttons = [];
    const key = (list, name, value, paint) => {
      const button = make("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      const swatch = make("i");
      button.append(swatch, name, make("span", "", value));
      button.addEventListener("click", () => {
        if (!hidden.delete(name)) hidden.add(name);
        button.setAttribute("aria-pressed", String(!hidden.has(name)));
        draw();
      });
      button.paint = () => { swatch.style.background = paint(); };
      buttons.push(button);
      list.append(button);
    };
    let above = TOP;
    for (const panel of figure.panels) {
      const list = make("div");
      const head = make("p", "", panel.values);
      head.prepend(make("b", "", figure.panels.length > 1 ? panel.title : ""));
      list.style.setProperty("--top", above - TITLE + "px");
      list.style.setProperty("--height", panel.height + GAP + "px");
      list.append(head);
      if (panel.curves.length) keys.append(list);
      above += panel.height + GAP;
      const crowd = panel.curves.filter((c) => !c.colours);
      for (const curve of panel.curves)
        if (curve.colours && !part(curve)) key(list, curve.name, curve.value, () => colour(curve));
      if (crowd.length) {
        const name = `${crowd.length} others`;
        for (const curve of crowd) curve.owner = name;
        key(list, name, "", () => css("--muted"));
      }
    }

    // Zoomed, a panel shows what is in view; else the range that the report chose.
    const rangeOf = (panel) => {
      const whole = view[0] === figure.x.range[0] && view[1] === figure.x.range[1];
      if (whole && panel.curves.every(visible)) return panel.range;
      let low = Infinity, high = -Infinity;
      for (const curve of panel.curves) {
        if (!visible(curve) || curve.kind === "band") continue;
        for (const piece of curve.pieces)
          for (const [x, y] of piece)
            if (x >= view[0] && x <= view[1]) { low = Math.min(low, y); high = Math.max(high, y); }
      }
      if (!(high >= low)) return panel.range;
      if (panel.log) return [low / 1.2, high * 1.2];
      const margin = (high - low || Math.abs(high) * 0.05 || 1) * 0.08;
      const rooted = panel.range[0] === 0 && (figure.panels.length > 1 || low < 0.4 * high);
      return [rooted ? 0 : low - margin, high + margin];
    };

    const draw = () => {
      const width = stage.clientWidth;
      if (width < 50) return;
      const single = figure.panels.length === 1;
      const height = figure.panels.reduce((sum, p) => sum + p.height + GAP, 0) - GAP + TOP + BOTTOM;
      const density = window.devicePixelRatio || 1;
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
      canvas.style.height = height + "px";
      const pen = canvas.getContext("2d");
      pen.scale(density, density);
      pen.clearRect(0, 0, width, height);
      pen.font = "12.5px system-ui, 'DejaVu Sans', Verdana, sans-serif";
      const right = width - RIGHT;
      // Where to write a text that is to be about `x`, so that none of it is cut off.
      const inside = (text, x) => {
        const half = pen.measureText(text).width / 2;
        return Math.max(Math.min(x, width - half), half);
      };
      const atX = (x) => LEFT + (x - view[0]) / (view[1] - view[0]) * (right - LEFT);
      const bottom = height - BOTTOM;

      plots = [];
      let top = TOP;
      for (const span of figure.spans) {
        const from = Math.max(LEFT, atX(span.from)), to = Math.min(right, atX(span.to));
        if (to <= from) continue;
        if (span.shaded) { pen.fillStyle = css("--shade"); pen.fillRect(from, 0, to - from, bottom); }
      }
      figure.panels.forEach((panel, index) => {
        const range = rangeOf(panel);
        const base = top + panel.height;
        const share = panel.log
          ? (y) => (Math.log(Math.max(y, 1e-12)) - Math.log(range[0])) / (Math.log(range[1]) - Math.log(range[0]))
          : (y) => (y - range[0]) / (range[1] - range[0]);
        const atY = (y) => base - share(y) * panel.height;
        plots.push({ panel, top, base, atX, atY });
        pen.textAlign = "right";
        pen.textBaseline = "middle";
        const marks = panel.curves.length ? ticks(panel.unit, panel.log, range, panel.height / (single ? 54 : 26)) : [];
        const every = Math.max(1, Math.ceil(marks.length / Math.max(1, Math.floor(panel.height / 18))));
        marks.forEach(([value, name], i) => {
          if (i % every) return;
          pen.strokeStyle = css("--grid");
          pen.beginPath(); pen.moveTo(LEFT, atY(value)); pen.lineTo(right, atY(value)); pen.stroke();
          pen.fillStyle = css("--muted");
          pen.fillText(name, LEFT - 8, atY(value));
        });
        pen.textAlign = "left";
        pen.textBaseline = "alphabetic";
        pen.fillStyle = css("--ink");
        const unit = panel.unit === "bytes" ? ` (${byteUnit(Math.max(Math.abs(range[0]), Math.abs(range[1])))})` : "";
        const title = panel.title + unit + (panel.curves.length ? "" : ": none");
        const begin = Math.max(0, Math.min(LEFT, width - pen.measureText(title).width));
        pen.fillText(title, begin, top - 9, width);

        pen.save();
        pen.beginPath(); pen.rect(LEFT, top - 1, right - LEFT, panel.height + 2); pen.clip();
        const crowd = panel.curves.filter((c) => !c.colours).length;
        const bands = panel.curves.filter((c) => c.kind === "band").length;
        const rank = (c) => (c.kind === "fit" ? 3 : c.kind === "band" ? 1 : c.colours ? 2 : 0);
        const order = [...panel.curves].sort((a, b) => rank(a) - rank(b));
        for (const curve of order) {
          if (!visible(curve)) continue;
          pen.strokeStyle = curve.kind === "fit" ? css("--ink") : colour(curve);
          pen.globalAlpha = curve.colours ? 0.95 : Math.max(0.12, Math.min(0.5, 24 / crowd));
          pen.lineWidth = curve.kind === "fit" ? 1.1 : curve.colours ? 1.6 : 0.8;
          pen.setLineDash(curve.kind === "fit" ? [4, 4] : curve.kind === "budget" ? [6, 6] : []);
          for (const piece of curve.pieces) {
            pen.beginPath();
            piece.forEach(([x, y], i) => (i ? pen.lineTo(atX(x), atY(y)) : pen.moveTo(atX(x), atY(y))));
            if (curve.kind === "band") { pen.globalAlpha = Math.max(0.05, Math.min(0.16, 0.3 / bands)); pen.fillStyle = colour(curve); pen.fill(); continue; }
            pen.stroke();
            if (curve.kind === "area" && piece.length > 1) {
              pen.lineTo(atX(piece[piece.length - 1][0]), base);
              pen.lineTo(atX(piece[0][0]), base);
              pen.globalAlpha = 0.25; pen.fillStyle = colour(curve); pen.fill(); pen.globalAlpha = 0.95;
            }
            if (piece.length === 1) { pen.fillStyle = colour(curve); pen.fillRect(atX(piece[0][0]) - 1.5, atY(piece[0][1]) - 1.5, 3, 3); }
          }
        }
        pen.restore();
        pen.setLineDash([]);
        pen.strokeStyle = css("--axis");
        pen.beginPath(); pen.moveTo(LEFT, base); pen.lineTo(right, base); pen.stroke();
        if (index === figure.panels.length - 1) {
          pen.textAlign = "center";
          pen.textBaseline = "top";
          pen.fillStyle = css("--muted");
          for (const [value, name] of ticks(figure.x.unit, false, view, (right - LEFT) / 90)) {
            pen.beginPath(); pen.moveTo(atX(value), base); pen.lineTo(atX(value), base + 5); pen.stroke();
            pen.fillText(name, inside(name, atX(value)), base + 8);
          }
          pen.fillStyle = css("--ink");
          pen.fillText(figure.x.title, inside(figure.x.title, (LEFT + right) / 2), base + 27, width);
        }
        top = base + GAP;
      });
      for (const span of figure.spans) {
        const from = atX(span.from), to = Math.min(right, atX(span.to));
        pen.strokeStyle = css("--axis");
        pen.beginPath();
        for (const edge of [from, atX(span.to)])
          if (edge > LEFT + 1 && edge < right - 1) {
            pen.moveTo(edge, 0); pen.lineTo(edge, names);
            for (const plot of plots) { pen.moveTo(edge, plot.top); pen.lineTo(edge, plot.base); }
          }
        pen.stroke();
        pen.textAlign = "left"; pen.textBaseline = "top"; pen.fillStyle = css("--muted");
        const begin = Math.max(LEFT, from);
        if (to - begin > pen.measureText(span.name).width + 12) pen.fillText(span.name, begin + 6, 5);
      }
      if (drag && Math.abs(drag.to - drag.from) > 3) {
        pen.fillStyle = css("--ink"); pen.globalAlpha = 0.1;
        pen.fillRect(Math.min(drag.from, drag.to), TOP, Math.abs(drag.to - drag.from), bottom - TOP);
        pen.globalAlpha = 1;
      }
      if (pointer && !drag) point(pen, right);
      for (const button of buttons) button.paint();
      all.hidden = view[0] === figure.x.range[0] && view[1] === figure.x.range[1];
    };

    // The values under the pointer: of the panel it is in, the lines nearest to it.
    const point = (pen, right) => {
      const plot = plots.find((p) => pointer.y >= p.top - 12 && pointer.y <= p.base + 12);
      if (!plot || pointer.x < LEFT || pointer.x > right) { tip.hidden = true; return; }
      const x = view[0] + (pointer.x - LEFT) / (right - LEFT) * (view[1] - view[0]);
      let rows = [];
      for (const curve of plot.panel.curves) {
        if (!visible(curve) || part(curve) || curve.kind === "budget") continue;
        const found = nearest(curve.pieces, x);
        if (!found || Math.abs(plot.atX(found[0]) - pointer.x) > 30) continue;
        rows.push({ curve, found, far: Math.abs(plot.atY(found[1]) - pointer.y) });
      }
      if (!rows.length) { tip.hidden = true; return; }
      rows.sort((a, b) => a.far - b.far);
      rows = rows.slice(0, 8).sort((a, b) => b.found[1] - a.found[1]);
      pen.strokeStyle = css("--axis");
      pen.beginPath(); pen.moveTo(pointer.x, TOP); pen.lineTo(pointer.x, plots[plots.length - 1].base); pen.stroke();
      const span = figure.spans.find((s) => x >= s.from && x <= s.to);
      const at = words[figure.x.unit](x) + (figure.x.unit === "count" ? " requests" : "");
      tip.replaceChildren(make("b", "", at + (span ? ", " + span.name : "")));
      for (const { curve, found } of rows) {
        pen.fillStyle = colour(curve);
        pen.beginPath(); pen.arc(plot.atX(found[0]), plot.atY(found[1]), 3.5, 0, 7); pen.fill();
        const row = make("div");
        const swatch = make("i");
        swatch.style.background = colour(curve);
        row.append(swatch, `${curve.name}  `, make("b", "", words[plot.panel.unit](found[1])));
        tip.append(row);
      }
      tip.hidden = false;
      const side = pointer.x > stage.clientWidth / 2 ? pointer.x - tip.offsetWidth - 14 : pointer.x + 14;
      tip.style.left = Math.max(0, side) + "px";
      tip.style.top = Math.max(0, Math.min(pointer.y - 20, canvas.clientHeight - tip.offsetHeight)) + "px";
    };

    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    let waiting = false;
    const soon = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; draw(); });
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      const { x } = place(event);
      drag = { from: x, to: x };
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => {
      pointer = place(event);
      if (drag) { drag.to = pointer.x; tip.hidden = true; }
      soon();
    });
    stage.addEventListener("pointerup", () => {
      if (drag && Math.abs(drag.to - drag.from) > 8) {
        const right = stage.clientWidth - RIGHT;
        const back = (x) => view[0] + (Math.max(LEFT, Math.min(right, x)) - LEFT) / (right - LEFT) * (view[1] - view[0]);
        const [from, to] = [back(Math.min(drag.from, drag.to)), back(Math.max(drag.from, drag.to))];
        if (to - from > (figure.x.range[1] - figure.x.range[0]) * 1e-6) view = [from, to];
      }
      drag = null;
      soon();
    });
    stage.addEventListener("pointercancel", () => { drag = null; soon(); });
    stage.addEventListener("pointerleave", () => { pointer = null; tip.hidden = true; soon(); });
    const reset = () => { view = figure.x.range.slice(); soon(); };
    stage.addEventListener("dblclick", reset);
    all.addEventListener("click", reset);
    dark.addEventListener("change", soon);
    new ResizeObserver(soon).observe(stage);
    draw();
  };

  for (const figure of JSON.parse(document.getElementById("figures").textContent)) {
    const holder = document.querySelector(`figure[data-figure="${figure.name}"]`);
    if (!holder || !figure.panels.some((p) => p.curves.length)) continue;
    try { show(holder, figure); } catch (error) { holder.classList.remove("on"); throw error; }
  }
})();
