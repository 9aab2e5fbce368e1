// A server in Node whose clients may be forgotten: for each request it listens to a bus that all of them share.
//
// With LEAK=1 it doesn't stop listening, so that the bus keeps the request's closure, and all that this refers to, for good.
// GET /gc collects what nobody refers to; it needs node --expose-gc.
const { EventEmitter } = require('events');
const http = require('http');

const bus = new EventEmitter().setMaxListeners(0);

http.createServer((request, response) => {
  if (request.url === '/gc') {
    gc();
    return response.end('collected\n');
  }
  const seen = { url: request.url, headers: { ...request.headers }, rows: new Array(100).fill(request.url.length + 0.5) };
  const changed = () => seen.rows.push(0);
  bus.on('price', changed);
  response.on('close', () => process.env.LEAK || bus.off('price', changed));
  response.end(JSON.stringify(seen.rows));
}).listen(Number(process.argv[2]), '127.0.0.1');
