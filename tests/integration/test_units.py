"""The systemd units, as they are installed."""
import shutil

from host import BUILD, SOURCE, run


def test_systemd_takes_the_units_and_finds_them_well_shut(tmp_path):
    service = (BUILD / "broker/systemd/latchkeyd.service").read_text()
    program = next(line for line in service.splitlines() if line.startswith("ExecStart=")).partition("=")[2]
    # systemd wants what is named to exist, and reads the manual; the tests install nothing.
    service = service.replace(program, shutil.which("true")).replace("Documentation=", "#")
    (tmp_path / "latchkeyd.service").write_text(service)
    socket = (SOURCE / "broker/systemd/latchkeyd.socket").read_text().replace("Documentation=", "#")
    (tmp_path / "latchkeyd.socket").write_text(socket)
    run("systemd-analyze", "verify", tmp_path / "latchkeyd.service", tmp_path / "latchkeyd.socket")
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=25", tmp_path / "latchkeyd.service",
               check=False)
    assert done.returncode == 0, done.stdout


def test_the_sockets_are_those_of_the_configurations_default(tmp_path):
    socket = (SOURCE / "broker/systemd/latchkeyd.socket").read_text()
    header = (SOURCE / "common/config.h").read_text()
    path = next(line for line in socket.splitlines() if line.startswith("Listen")).partition("=")[2]
    assert f'"{path}"' in header
