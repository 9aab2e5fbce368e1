// A page with a session, as express-session's documentation shows it. STORE says where sessions are kept.
const express = require('express');
const session = require('express-session');

const options = { secret: 'not secret', resave: false, saveUninitialized: true };
if (process.env.STORE === 'memorystore') {
  const MemoryStore = require('memorystore')(session);
  options.store = new MemoryStore({ max: 2000, checkPeriod: 86400000 });
}
const app = express();
app.get('/gc', (request, response) => { gc(); response.send('collected\n'); });
app.use(session(options));
app.get('/', (request, response) => {
  request.session.cart = Array.from({ length: 10 }, (_, n) => ({ item: n, count: 1 }));
  response.send('hello\n');
});
app.listen(Number(process.argv[2]), '127.0.0.1');
