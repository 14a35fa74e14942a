"""Mail clients that nobody here wrote, asked to log in (Python's smtplib and imaplib, curl, swaks, msmtp), and LDAP by hand."""
import base64
import contextlib
import imaplib
import json
import os
import re
import smtplib
import socket
import ssl

from host import run
from servers import CLIENTS, MAIL

smtplib._MAXLINE = imaplib._MAXLINE = 1 << 20  # what a server answers to a long line may hold it

LOGIN_DENIED = 67  # curl's exit status


def oauthbearer(token, authzid=None):
    return f"n,{f'a={authzid}' if authzid else ''},\1host={MAIL}\1port=587\1auth=Bearer {token}\1\1"


def shortest_message(token):
    """An OAUTHBEARER message of the token and nothing else."""
    return f"n,,\1auth=Bearer {token}\1\1"


def xoauth2(token, user="alice"):
    return f"user={user}\1auth=Bearer {token}\1\1"


MESSAGES = {"OAUTHBEARER": oauthbearer, "XOAUTH2": xoauth2}
LAST = {"OAUTHBEARER": "\1", "XOAUTH2": ""}  # a client's answer to the server's error


def trusting(ciphers=None):
    context = ssl.create_default_context()
    if ciphers is not None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # Python cannot choose those of 1.3
        context.set_ciphers(ciphers)
    return context


class Exchange:
    """What came of a login: whether it is one, the server's last words, and its error message when there was one."""

    def __init__(self, last):
        self.challenges, self.last, self.ok, self.text = [], last, None, None

    def answers(self, message):
        """A function for smtplib and imaplib: the message, and then what a client answers to an error."""
        def answer(challenge):
            challenge = challenge.decode() if isinstance(challenge, bytes) else challenge
            if not challenge and message is not None and "message" not in self.challenges:
                self.challenges.append("message")
                return message
            self.challenges.append(challenge)
            return self.last
        return answer

    @property
    def error(self):
        texts = [text for text in self.challenges if text.startswith("{")]
        return json.loads(texts[0]) if texts else None


@contextlib.contextmanager
def smtp(port=587, ciphers=None, tls=True):
    """An smtplib.SMTP that has said EHLO."""
    client = smtplib.SMTP(MAIL, port, timeout=20)
    try:
        client.ehlo()
        if tls:
            client.starttls(context=trusting(ciphers))
            client.ehlo()
        yield client
    finally:
        client.close()


def smtp_login(token, mechanism="OAUTHBEARER", initial=True, ciphers=None, message=None, last=None, port=587,
               **names):
    """last: what the client answers to an error, where that is not the answer of the mechanism."""
    message = message if message is not None else MESSAGES[mechanism](token, **names)
    exchange = Exchange(LAST.get(mechanism, "") if last is None else last)
    answer = exchange.answers(message)
    with smtp(port, ciphers) as client:
        try:
            # smtplib's auth() would answer with the message to any challenge but the first.
            code, text = client.docmd("AUTH", f"{mechanism} {b64(answer(''))}" if initial else mechanism)
            while code == 334:
                code, text = client.docmd(b64(answer(base64.b64decode(text))))
            exchange.ok, exchange.text = code == 235, f"{code} {text.decode()}"
        except (smtplib.SMTPServerDisconnected, ConnectionError) as error:
            exchange.ok, exchange.text = False, f"disconnected: {error}"
    return exchange


def answers_to_an_error(token):
    """What clients answer to a refusal, by its name: the mechanism's answer, that of msmtp, mpop and getmail, and the
    first message again, as JavaMail has it."""
    return {"%x01": "\1", "nothing": "", "the token again": shortest_message(token)}


def msmtp(user, token, mechanism="oauthbearer"):
    return run("msmtp", f"--host={MAIL}", "--port=587", "--tls=on", "--tls-starttls=on", f"--auth={mechanism}",
               f"--user={user}", "--passwordeval=cat $TOKEN_FILE", f"--from={user}@example.com", "--file=/dev/null",
               "alice@example.com", input="Subject: by msmtp\n\nHello.\n", check=False,
               env={"PATH": os.environ["PATH"], "TOKEN_FILE": str(token)})


def mpop(home, user, token, mechanism="oauthbearer"):
    """mpop fetches the mail of a mailbox into `home`, a new folder. It reads the token from a file."""
    return run("mpop", f"--host={MAIL}", "--port=110", "--tls=on", "--tls-starttls=on", f"--auth={mechanism}",
               f"--user={user}", "--passwordeval=cat $TOKEN_FILE", f"--delivery=mbox,{home}/mbox", "--keep=on",
               f"--uidls-file={home}/uidls", check=False, env={"PATH": os.environ["PATH"], "TOKEN_FILE": str(token)})


def cyrus_client(site, name, user, token, mechanism="OAUTHBEARER", port=None, last="QUIT"):
    """One of Cyrus' own clients (pop3test, sivtest, nntptest, lmtptest), with TLS. It speaks the mechanism through libsasl,
    and the plug-in finds the token in a file."""
    return run(f"/usr/lib/cyrus/bin/{name}", "-m", mechanism, "-u", user, "-a", user, "-t", "",
               *(["-p", port] if port is not None else []), MAIL, input=f"{last}\r\n", check=False, timeout=20,
               env={"PATH": os.environ["PATH"], "LATCHKEY_TOKEN_FILE": str(site.host.token_file(token))})


def b64(text):
    return base64.b64encode(text.encode()).decode()


def smtplib_auth(token, mechanism="OAUTHBEARER", initial=True, **names):
    """smtplib's own auth(): what it raises, or None."""
    with smtp() as client:
        client.user, client.password = "", ""
        try:
            client.auth(mechanism, lambda challenge=None: MESSAGES[mechanism](token, **names) if not challenge
                        else LAST[mechanism], initial_response_ok=initial)
        except smtplib.SMTPAuthenticationError as error:
            return error
    return None


@contextlib.contextmanager
def imap(ciphers=None, tls=True):
    client = imaplib.IMAP4(MAIL, 143, timeout=20)
    try:
        if tls:
            client.starttls(trusting(ciphers))
        yield client
    finally:
        client.shutdown()


def imap_login(token, mechanism="OAUTHBEARER", ciphers=None, message=None, last=None, **names):
    """imaplib sends no initial response. last: as for smtp_login()."""
    exchange = Exchange(LAST[mechanism] if last is None else last)
    answer = exchange.answers(message if message is not None else MESSAGES[mechanism](token, **names))
    with imap(ciphers) as client:
        try:
            _, text = client.authenticate(mechanism, answer)
            exchange.ok, exchange.text = True, text[0].decode()
        except imaplib.IMAP4.error as error:
            exchange.ok, exchange.text = False, str(error)
    return exchange


def curl(url, user, token, *arguments, mechanism="OAUTHBEARER", initial=True, check=False):
    """curl takes the token from a file of its own options, since everybody can see arguments."""
    return run("curl", "-sS", "-K", "-", "--url", url, "--ssl-reqd", "--user", f"{user}:",
               "--login-options", f"AUTH={mechanism}", *(["--sasl-ir"] if initial else []), *arguments,
               input=f'oauth2-bearer = "{token}"\n', check=check)


def curl_smtp(user, token, sender=None, **options):
    return curl(f"smtp://{MAIL}:587", user, token, "--mail-from", sender or f"{user}@example.com", "--mail-rcpt",
                "alice@example.com", "--upload-file", os.devnull, **options)


def curl_imap(user, token, scheme="imap", **options):
    return curl(f"{scheme}://{MAIL}/", user, token, **options)


def example(site, name, token, *arguments, **options):
    """A client of examples/sasl/clients, which finds the token in a file."""
    env = {"PATH": os.environ["PATH"], "LATCHKEY_TOKEN_FILE": str(site.host.token_file(token))}
    return run(CLIENTS / name, *arguments, env=env, check=False, **options)


def swaks(user, password, mechanism="PLAIN", sender=None):
    """swaks knows none of the two mechanisms, but passwords."""
    return run("swaks", "--server", f"{MAIL}:587", "--tls", "--auth", mechanism, "--auth-user", user,
               "--auth-password", password, "--from", sender or f"{user}@example.com", "--to", "alice@example.com",
               "--quit-after", "RCPT", "--hide-send", check=False)


def curl_password(url, user, password, *arguments, mechanism="PLAIN"):
    return run("curl", "-sS", "-K", "-", "--url", url, "--ssl-reqd", "--login-options", f"AUTH={mechanism}", *arguments,
               input=f'user = "{user}:{password}"\n', check=False)


# Each client logs in with a password and begins a mail to alice: what it says to that, which is nothing when all went
# well, and otherwise has the server's number in it.


def send_by_curl(user, password, sender, mechanism):
    done = curl_password(f"smtp://{MAIL}:587", user, password, "--mail-from", sender, "--mail-rcpt",
                         "alice@example.com", "--upload-file", os.devnull, mechanism=mechanism)
    assert (done.returncode == 0) == (done.stderr == "")
    return "535 Login denied" if done.returncode == LOGIN_DENIED else done.stderr


def send_by_swaks(user, password, sender, mechanism):
    done = swaks(user, password, mechanism, sender)
    refusals = "".join(re.findall(r"^<~\* (.*)", done.stdout, re.M))
    assert (done.returncode == 0) == (refusals == ""), done.stdout
    return refusals


def send_by_smtplib(user, password, sender, mechanism):
    with smtp() as client:
        client.user, client.password = user, password
        try:
            client.auth(mechanism, {"PLAIN": client.auth_plain, "LOGIN": client.auth_login}[mechanism])
        except smtplib.SMTPAuthenticationError as error:
            return str(error)
        for code, text in (client.mail(sender), client.rcpt("alice@example.com")):
            if code != 250:
                return f"{code} {text.decode()}"
    return ""


SENDERS = {"curl": send_by_curl, "swaks": send_by_swaks, "smtplib": send_by_smtplib}


class RawLdap:
    """A connection over ldapi:// and binds that no library shapes: RFC 4511 §4.2 by hand."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect("/run/slapd/ldapi")
        self.id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @staticmethod
    def element(tag, content):
        length = len(content)
        size = bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")
        return bytes([tag]) + size + content

    def bind(self, mechanism, message):
        """The result code, and the server's SASL message."""
        self.id += 1
        sasl = self.element(0x04, mechanism.encode()) + self.element(0x04, message.encode())
        request = self.element(0x02, b"\3") + self.element(0x04, b"") + self.element(0xA3, sasl)
        self.socket.send(self.element(0x30, self.element(0x02, bytes([self.id])) + self.element(0x60, request)))
        answer = self.socket.recv(65536)
        result = re.search(rb"\x61(?:\x82..|\x81.|[^\x80-\xff])\x0a\x01(.)", answer, re.S)
        message = re.search(rb"\x87(?:\x82..|\x81.|[^\x80-\xff])(.*)", answer, re.S)
        return result[1][0], message[1].decode() if message else None
