"""What several tests of latchkeyd share: a question of another local user, and the wait for the key set."""
import json

from daemon import SOCKET
from host import run, wait_until

AS_BOB = ["setpriv", "--reuid", "bob", "--regid", "bob", "--init-groups"]


def as_user(user, question):
    """The answer that another local user gets."""
    script = ("import json, socket, sys\n"
              "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\ns.connect(sys.argv[1])\n"
              "try: s.send(sys.stdin.buffer.read())\nexcept BrokenPipeError: pass\n"
              "try: answer = s.recv(1 << 17)\n"
              "except ConnectionResetError: answer = s.recv(1 << 17)\n"  # told once: sent away before it was asked
              "sys.stdout.buffer.write(answer)\n")
    done = run("setpriv", "--reuid", user, "--regid", user, "--init-groups", "/usr/bin/python3", "-c", script, SOCKET,
               input=json.dumps(question), check=False)
    return json.loads(done.stdout)


def wait_for_keys(site):
    wait_until(site.keys.exists, "latchkeyd has fetched the key set")
