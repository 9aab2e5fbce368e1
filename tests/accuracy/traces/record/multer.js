// An upload page as its documentation shows it: Express 4 with multer, files to disk. NODE_PATH says which release.
const express = require('express');
const fs = require('fs');
const multer = require('multer');

const app = express();
app.post('/upload', multer({ dest: process.argv[3] }).single('file'), (request, response) => {
  fs.unlink(request.file.path, () => response.send('kept\n'));
});
app.use((error, request, response, next) => response.status(400).send('broken off\n'));
app.listen(Number(process.argv[2]), '127.0.0.1');
