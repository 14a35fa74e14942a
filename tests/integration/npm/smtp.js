// Logs in to a submission server with the token on standard input.
//     usage: smtp.js MODULES HOST USER
'use strict';
const fs = require('fs');
const path = require('path');
const [modules, host, user] = process.argv.slice(2);
const nodemailer = require(path.join(modules, 'nodemailer'));
const transport = nodemailer.createTransport({
    host: '127.0.0.1', port: 587, requireTLS: true, tls: { servername: host }, // it asks DNS for names
    auth: { type: 'OAuth2', user, accessToken: fs.readFileSync(0, 'utf8') },
});

transport.verify()
    .then(() => console.log('logged in'))
    .catch((error) => {
        console.error(`refused: ${error.code === 'EAUTH'} ${error.response || error.message}`);
        process.exitCode = 1;
    });
