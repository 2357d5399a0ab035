"""Files that are too large, no text or not there: one error that names the file, and no more read than the limit."""

from pathlib import Path

import pytest

from roofline.errors import DeviceError, RooflineError
from roofline.files import read_bytes, read_text


def test_a_file_without_end_is_read_no_further_than_the_limit() -> None:
    with pytest.raises(RooflineError, match=r"/dev/zero: more than 1000 bytes; expected a list"):
        read_bytes("/dev/zero", expected="a list", max_bytes=1000)


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"x" * 1000)
    assert read_text(tmp_path / "full", expected="a list", max_bytes=1000) == "x" * 1000


@pytest.mark.parametrize("name, message", [("none", "no such file"), (".", "cannot be read"), ("latin", "not UTF-8")])
def test_what_cannot_be_read_is_the_error_asked_for(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "latin").write_bytes(b"\xe4")
    with pytest.raises(DeviceError, match=message):
        read_text(tmp_path / name, expected="a list", error=DeviceError)
