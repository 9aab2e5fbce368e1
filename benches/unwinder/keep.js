const zlib = require('zlib');
const kept = [];
function keep(n) { kept.push(Buffer.allocUnsafeSlow(n)); }
function serve(n) { keep(n); }
for (let i = 0; i < 40000; i++) serve(i % 2000 + 100);
for (let i = 0; i < 200; i++) kept.push(zlib.gzipSync(kept[i]));
console.log('ready');
setTimeout(() => {}, 600000);
