"""Was any test skipped? Where all peers and data are there, a skip would hide what it tests."""

import sys
from xml.etree import ElementTree


def main(path: str) -> None:
    """Name every skipped test on stderr and exit with 1 when there is one."""
    skipped = [
        f"{case.get('classname')}::{case.get('name')}: {reason.get('message')}"
        for case in ElementTree.parse(path).iter("testcase")
        for reason in case.iter("skipped")
        if reason.get("type") == "pytest.skip"  # expected failures stand there too
    ]
    if skipped:
        print(
            "CI: no test may be skipped here, but these were:",
            *skipped,
            sep="\n  ",
            file=sys.stderr,
        )
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1])
