"""The SASL plug-in in one process for long: what valgrind says of 10,000 exchanges of both sides, with reloads."""
import re
import subprocess

from host import BUILD

VALGRIND = ["valgrind", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
            "--errors-for-leak-kinds=definite,indirect,possible", "--error-exitcode=99"]
GROWTH = 4096  # bytes; one of 64 in each exchange would be 640,000


def run_under_valgrind(exchanges):
    """Bytes in use at the end, after everything was ended that can be."""
    run = subprocess.run([*VALGRIND, BUILD / "tests/sasl/sasl_load", BUILD / ".libs/liblatchkey.so", "1", str(exchanges),
                          "10000"],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=1200)
    assert run.returncode == 0, run.stderr
    assert "0 with another result" in run.stdout
    assert "ERROR SUMMARY: 0 errors" in run.stderr, run.stderr
    return int(re.search(r"in use at exit: ([\d,]+) bytes", run.stderr).group(1).replace(",", ""))


def test_rule_31_ten_thousand_exchanges_of_one_process_leak_nothing():
    few, many = run_under_valgrind(100), run_under_valgrind(10_000)
    assert abs(many - few) < GROWTH, f"{few} bytes after 100 exchanges, {many} after 10,000"
