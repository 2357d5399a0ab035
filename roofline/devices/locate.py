"""Where device files are. The only place that knows the search order.

1. a path; 2. the folders of ``ROOFLINE_DEVICE_PATH``; 3. ``roofline/devices`` in the user's configuration
folder; 4. the files shipped in the package, or the ``device_specs`` folder of a source checkout.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from roofline.errors import DeviceError

_PACKAGE = Path(__file__).resolve().parent.parent


def device_folders() -> tuple[Path, ...]:
    """Return the folders that are searched, first come first served."""
    listed = [Path(p) for p in os.environ.get("ROOFLINE_DEVICE_PATH", "").split(os.pathsep) if p]
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "roofline" / "devices"
    shipped = (_PACKAGE / "_device_specs", _PACKAGE.parent / "device_specs")
    return tuple(folder for folder in (*listed, config, *shipped) if folder.is_dir())


def calibration_folders() -> tuple[Path, ...]:
    """Return the folders of calibrations: ``calibrations`` inside each folder of device files."""
    return tuple(path for folder in device_folders() if (path := folder / "calibrations").is_dir())


def has_calibrations(device: str) -> bool:
    """Return whether any calibration is there for a device id."""
    return next(calibration_files(device), None) is not None


def calibration_files(device: str) -> Iterator[Path]:
    """Yield the calibrations of a device id, folder by folder."""
    for folder in calibration_folders():
        yield from sorted(folder.glob(f"{device}.*.yaml"))


def device_files() -> Iterator[Path]:
    """Yield every device file; of two with one id only the first in search order."""
    seen = set()
    for folder in device_folders():
        for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem):
            if path.stem not in seen:
                seen.add(path.stem)
                yield path


def find_device(device: str | Path) -> tuple[Path, str]:
    """Return the file of a device given by path, id or alias, and the variant named after ``@`` (or "").

    Raises:
        DeviceError: there is no such device; close names are suggested.
    """
    if isinstance(device, Path) or _exists(Path(device)):
        return _find(device), ""
    name, _, variant = device.partition("@")
    return _find(name), variant


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name, a folder that may not be entered
        return False


def _find(device: str | Path) -> Path:
    text = str(device)
    if isinstance(device, Path) or text.endswith((".yaml", ".yml")) or os.sep in text:
        path = Path(text)
        if not _exists(path) or path.is_dir():
            raise DeviceError("no such device file", where=text, expected="a .yaml file or a device id")
        return path
    files = {path.stem: path for path in device_files()}
    wanted = text.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted in files:
        return files[wanted]
    aliases = {alias: path for path in files.values() for alias in _aliases(path)}
    if wanted in aliases:
        return aliases[wanted]
    near = difflib.get_close_matches(wanted, [*files, *aliases], 3)
    raise DeviceError(
        f"no device {text!r}",
        where="--device",
        expected=", ".join(files) or "a device file: none is installed",
        hint=f"did you mean {' or '.join(near)}?" if near else "list them: roofline devices list",
    )


def _aliases(path: Path) -> tuple[str, ...]:
    """Read the aliases of a device file without checking the rest of it."""
    from roofline.strict_yaml import load_file

    data = load_file(path)
    aliases = data.get("aliases", []) if isinstance(data, dict) else []
    return tuple(str(alias).lower() for alias in aliases) if isinstance(aliases, list) else ()
