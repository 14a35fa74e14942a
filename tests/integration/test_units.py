"""The systemd units, as they are installed."""
import re
import shutil

from host import BUILD, SOURCE, run


def test_systemd_takes_the_units_and_finds_them_well_shut(tmp_path):
    service = (BUILD / "latchkeyd/systemd/latchkeyd.service").read_text()
    program = next(line for line in service.splitlines() if line.startswith("ExecStart=")).partition("=")[2]
    # systemd wants what is named to exist, and reads the manual; the tests install nothing.
    service = service.replace(program, shutil.which("true")).replace("Documentation=", "#")
    (tmp_path / "latchkeyd.service").write_text(service)
    for unit in ("latchkeyd.socket", "latchkeyd-saslauthd.socket"):
        socket = (SOURCE / "latchkeyd/systemd" / unit).read_text().replace("Documentation=", "#")
        (tmp_path / unit).write_text(socket)
    run("systemd-analyze", "verify", *sorted(tmp_path.iterdir()))
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=25", tmp_path / "latchkeyd.service",
               check=False)
    assert done.returncode == 0, done.stdout


def values(unit, option):
    return re.findall(rf"^{option}=(.*)$", (SOURCE / "latchkeyd/systemd" / unit).read_text(), re.M)


def test_the_sockets_are_those_of_the_configurations_default():
    header = (SOURCE / "common/config/model.h").read_text()
    (path,) = values("latchkeyd.socket", "ListenSequentialPacket")
    assert f'"{path}"' in header


def test_only_who_is_in_a_group_may_try_passwords():
    """Questions name who asks; passwords do not, so that no unit may list both kinds of sockets for everybody."""
    assert values("latchkeyd.socket", "ListenStream") == []
    (path,) = values("latchkeyd-saslauthd.socket", "ListenStream")
    assert f'"{path}"' in (SOURCE / "examples/sasl/latchkey.conf").read_text()
    assert values("latchkeyd-saslauthd.socket", "SocketMode") == ["0660"]
    assert values("latchkeyd-saslauthd.socket", "SocketGroup") == ["sasl"]
