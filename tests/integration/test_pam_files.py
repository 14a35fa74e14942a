"""Which files the real libpam reads, and which it refuses: `latchkey check` must see the same."""
import json
from pathlib import Path

import pytest

from host import COMMAND, MODULE, run

PAM, VENDOR = Path("/etc/pam.d"), Path("/usr/lib/pam.d")
ACCOUNT = "account [success=ok ignore=ignore authinfo_unavail=ignore default=die] @MODULE@\n"
LATCHKEY = "auth sufficient @MODULE@\n" + ACCOUNT
REST = "auth required pam_permit.so\naccount required pam_permit.so\n"
STACK = LATCHKEY + REST  # lets everybody in, so that each file that libpam takes can be told by its success


@pytest.fixture(name="files")
def make_files(host):
    """Writes stacks to /etc/pam.d and to the vendor's folder, and takes them away after the test."""
    if not Path("/run/vendor").exists():
        run("cp", "-a", VENDOR, "/run/vendor")
        run("mount", "--bind", "/run/vendor", VENDOR)
    made = []

    def write(directory, name, text):
        made.append(directory / name)
        (directory / name).write_text(text.replace("@MODULE@", str(MODULE)))

    other = (PAM / "other").read_text()
    yield write
    for path in made:
        path.unlink(missing_ok=True)
    (PAM / "other").write_text(other)


def real(service):
    """Whether libpam lets root in without any proof: by authenticate and by the account phase."""
    return tuple(run("pamtester", service, "root", step, check=False).returncode == 0
                 for step in ("authenticate", "acct_mgmt"))


def found(service):
    """Whether check says so: its error about the auth stack, and none about the account stack."""
    report = json.loads(run(COMMAND, "check", "--json", check=False).stdout)
    told = [f["message"] for f in report["findings"] if f["message"].startswith(f"service {service}: ")]
    lets_in = any("the auth stack accepts every user" in message for message in told)
    return lets_in, not any("every token is refused: the account stack" in message for message in told)


CASES = {
    "the vendor's stack": ([(VENDOR, "kiosk", STACK)], (True, True)),
    "a stack that hides the vendor's":
        ([(VENDOR, "kiosk", REST), (PAM, "kiosk", LATCHKEY + "auth required pam_deny.so\naccount required pam_deny.so\n")],
         (False, False)),
    "the vendor's stack with an include from /etc":
        ([(VENDOR, "kiosk", "@include part\n"), (PAM, "part", STACK)], (True, True)),
    "@include of a file that only the vendor has":
        ([(PAM, "kiosk", STACK + "@include part\n"), (VENDOR, "part", REST)], (False, False)),
    "include of a file that only the vendor has":
        ([(PAM, "kiosk", STACK + "account include part\n"), (VENDOR, "part", REST)], (True, False)),
    "substack of a file that only the vendor has":
        ([(PAM, "kiosk", STACK + "account substack part\n"), (VENDOR, "part", REST)], (True, False)),
    "@include of a file that is missing": ([(PAM, "kiosk", STACK + "@include nothing\n")], (False, False)),
    "include of a file that is missing": ([(PAM, "kiosk", STACK + "account include nothing\n")], (True, False)),
    "@include with a dash": ([(PAM, "kiosk", "-@include part\n"), (PAM, "part", STACK)], (True, True)),
    "a required module that is missing, with a dash":
        ([(PAM, "kiosk", STACK + "-account required pam_nothing.so\n")], (True, False)),
    "a line without a module": ([(PAM, "kiosk", STACK + "account required\n")], (True, False)),
    "a file that ends within a line": ([(PAM, "kiosk", STACK + "account required pam_permit.so \\")], (False, False)),
    "an included file that ends within a line":
        ([(PAM, "kiosk", STACK + "account include part\n"), (PAM, "part", "account required pam_permit.so \\")],
         (True, False)),
    "the account part of other":
        ([(PAM, "kiosk", "auth sufficient @MODULE@\nauth required pam_permit.so\n"),
          (PAM, "other", f"auth required pam_deny.so\n{ACCOUNT}account required pam_permit.so\n")], (True, True)),
    "an other that ends within a line": ([(PAM, "kiosk", STACK), (PAM, "other", "auth required pam_deny.so \\")], (False, False)),
    "a jump out of a substack":
        ([(PAM, "kiosk", STACK + "account substack part\naccount required pam_permit.so\n"),
          (PAM, "part", "account [default=1] pam_permit.so\n")], (True, False)),
    "a line of an unknown type in an included file":
        ([(PAM, "kiosk", STACK + "account include part\n"), (PAM, "part", "nonsense required pam_permit.so\n")], (True, False)),
    "lines of other types in an included file":
        ([(PAM, "kiosk", STACK + "auth include part\n"),
          (PAM, "part", "auth required pam_permit.so\naccount required pam_deny.so\n")], (True, True)),
    "a line of an unknown type": ([(PAM, "kiosk", STACK + "nonsense required pam_permit.so\n")], (False, True)),
    "a jump beyond the end": ([(PAM, "kiosk", STACK + "account [default=1] pam_permit.so\n")], (True, False)),
    "a jump to the end":
        ([(PAM, "kiosk", STACK + "account [default=1] pam_permit.so\naccount required pam_deny.so\n")], (True, True)),
    "a jump over a substack with a substack in it":
        ([(PAM, "kiosk", STACK + "account [default=1] pam_permit.so\naccount substack part\n"),
          (PAM, "part", "account required pam_deny.so\naccount substack deep\naccount required pam_deny.so\n"),
          (PAM, "deep", "account required pam_deny.so\n")], (True, True)),
    "a jump over a substack and one line more":
        ([(PAM, "kiosk", STACK + "account [default=2] pam_permit.so\naccount substack part\naccount required pam_deny.so\n"),
          (PAM, "part", "account required pam_deny.so\n")], (True, True)),
    "a jump within a substack":
        ([(PAM, "kiosk", STACK + "account substack part\n"),
          (PAM, "part", "account [default=1] pam_permit.so\naccount required pam_deny.so\n")], (True, True)),
    "done in a substack, and a refusal behind it":
        ([(PAM, "kiosk", STACK + "account substack part\naccount required pam_deny.so\n"),
          (PAM, "part", "account sufficient pam_permit.so\naccount required pam_deny.so\n")], (True, False)),
    "done in a substack, and a refusal behind it in the substack":
        ([(PAM, "kiosk", STACK + "account substack part\n"),
          (PAM, "part", "account sufficient pam_permit.so\naccount required pam_deny.so\n")], (True, True)),
    "done in a substack within a substack":
        ([(PAM, "kiosk", STACK + "account substack part\n"), (PAM, "part", "account substack deep\naccount required pam_deny.so\n"),
          (PAM, "deep", "account sufficient pam_permit.so\naccount required pam_deny.so\n")], (True, False)),
    "die in a substack, and a success behind it":
        ([(PAM, "kiosk", STACK + "account substack part\naccount required pam_permit.so\n"),
          (PAM, "part", "account requisite pam_deny.so\n")], (True, False)),
    "done after a refusal":
        ([(PAM, "kiosk", STACK + "account required pam_deny.so\naccount sufficient pam_permit.so\n")], (True, False)),
    "reset after a refusal":
        ([(PAM, "kiosk", STACK + "account required pam_deny.so\naccount [default=reset] pam_permit.so\n"
                                 "account required pam_permit.so\n")], (True, True)),
    "reset as the last line": ([(PAM, "kiosk", STACK + "account [default=reset] pam_permit.so\n")], (True, False)),
    "reset in a substack after a refusal in it":
        ([(PAM, "kiosk", STACK + "account substack part\n"),
          (PAM, "part", "account required pam_deny.so\naccount [default=reset] pam_permit.so\n")], (True, True)),
    "reset in a substack after a refusal before it":
        ([(PAM, "kiosk", STACK + "account required pam_deny.so\naccount substack part\naccount required pam_permit.so\n"),
          (PAM, "part", "account [default=reset] pam_permit.so\n")], (True, False)),
    "a success that is bad": ([(PAM, "kiosk", STACK + "account [success=bad] pam_permit.so\n")], (True, False)),
    "a control that libpam does not understand":
        ([(PAM, "kiosk", STACK + "account [success=0] pam_permit.so\n")], (True, False)),
    "a default before what it does not hold for":
        ([(PAM, "kiosk", STACK + "account [default=bad success=ok] pam_permit.so\n")], (True, True)),
    "a default behind what it does not hold for":
        ([(PAM, "kiosk", STACK + "account [success=ok default=bad] pam_permit.so\n")], (True, True)),
    "a control in two lines, with an empty line and a comment between them":
        ([(PAM, "kiosk", STACK + "account [success=ok \\\n\n# between\n default=bad] pam_permit.so\n")], (True, True)),
    "a jump over a substack":
        ([(PAM, "kiosk", LATCHKEY + "auth required pam_permit.so\naccount [default=1] pam_permit.so\n"
                                    "account substack part\naccount required pam_permit.so\n"),
          (PAM, "part", "account required pam_deny.so\naccount required pam_deny.so\n")], (True, True)),
}


@pytest.mark.parametrize("name", CASES)
def test_check_and_libpam_agree_about(files, name):
    stacks, want = CASES[name]
    for directory, service, text in stacks:
        files(directory, service, text)
    assert real("kiosk") == want
    assert found("kiosk") == want
