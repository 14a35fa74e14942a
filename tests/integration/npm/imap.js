// Logs in to an IMAP server with the token on standard input.
//     usage: imap.js MODULES HOST USER
'use strict';
const fs = require('fs');
const path = require('path');
const [modules, host, user] = process.argv.slice(2);
const { ImapFlow } = require(path.join(modules, 'imapflow'));
const client = new ImapFlow({
    host, port: 993, secure: true, logger: false, auth: { user, accessToken: fs.readFileSync(0, 'utf8') },
});

client.on('error', () => {});
client.connect()
    .then(() => client.mailboxOpen('INBOX'))
    .then((mailbox) => console.log(`opened ${mailbox.path}`))
    .then(() => client.logout())
    .catch((error) => {
        console.error(`refused: ${error.authenticationFailed === true} ${error.responseText || error.message}`);
        process.exitCode = 1;
        client.close();
    });
