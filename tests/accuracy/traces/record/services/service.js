// A node:http server whose page uses a package as its issue describes: service.js PORT PAGE. NODE_PATH says which release.
// service.js --rate PAGE N, under --expose-gc, says instead what one call keeps.
const fs = require('fs');
const http = require('http');
const { pipeline } = require('stream');
const file = process.env.FILE;

let visits = 0;
const pages = {
  // A debug instance made for each request stays in a list before debug 4.3.0 (issue 678).
  debug: () => {
    const createDebug = require('debug');
    return () => {
      createDebug(`request:${(visits += 1)}`)('asked');
      return 'hello';
    };
  },
  // Results kept past their maxAge before mem 4.0.0 (WS-2018-0236).
  mem: () => {
    const mem = require('mem');
    const render = mem((number) => `page ${number} `.repeat(8), { maxAge: 200 });
    return () => render((visits += 1));
  },
  // A schema that is written anew for each request: a shared ajv keeps each by its identity (issues 1413, 2134).
  ajv: () => {
    const Ajv = require('ajv');
    const ajv = new Ajv();
    return () => String(ajv.validate({ type: 'object', properties: { id: { type: 'integer' } } }, { id: 1 }));
  },
  // The same with a schema that is written once.
  'ajv-once': () => {
    const Ajv = require('ajv');
    const validate = new Ajv().compile({ type: 'object', properties: { id: { type: 'integer' } } });
    return () => String(validate({ id: 1 }));
  },
  // A listener per request on an emitter that lives on, as Node's warning of a possible EventEmitter leak says.
  listener: () => {
    const updates = new (require('events'))().setMaxListeners(0);
    return () => {
      const seen = { id: (visits += 1), rows: Array(20).fill(visits) };
      updates.on('change', () => seen.rows.length);
      return 'hello';
    };
  },
  // Makes, writes and parses rows of changing number; keeps nothing.
  rows: () => () => {
    const rows = Array.from({ length: 20 + (visits++ * 37) % 400 }, (_, id) => ({ id, name: 'n'.repeat(id % 50) }));
    return JSON.stringify(JSON.parse(JSON.stringify(rows))).slice(0, 2000);
  },
};

// Servers that aren't but a page.
const servers = {
  // A connection that is reset without GOAWAY leaks before node 20.18.2 (CVE-2025-23085).
  h2: () => require('http2').createServer((request, response) => response.end('hello')),
  // A file piped to a response that is broken off stays open; stream.pipeline is told to close it.
  pipe: () => http.createServer((request, response) => fs.createReadStream(file).pipe(response)),
  pipeline: () => http.createServer((request, response) => pipeline(fs.createReadStream(file), response, () => {})),
};

const [where, name, count] = process.argv.slice(2);
const page = pages[name] && pages[name]();
if (servers[name]) {
  servers[name]().listen(Number(where), '127.0.0.1');
} else if (where === '--rate') {
  const levels = [];
  for (let part = 0; part < 3; part += 1) {
    for (let n = 0; n < count; n += 1) page();
    gc();
    levels.push(process.memoryUsage().heapUsed + process.memoryUsage().external);
  }
  console.log(name, levels.slice(1).map((level, n) => ((level - levels[n]) / count).toFixed(1)));
} else {
  http.createServer((request, response) => response.end(page())).listen(Number(where), '127.0.0.1');
}
