"""NVIDIA's ``nvpmodel.conf``: read one, make a device file from it, write a power mode into it."""

from roofline.devices.nvpmodel.conf import Conf, PowerModel, parse_conf, read_conf
from roofline.devices.nvpmodel.device_file import Imported, import_modes
from roofline.devices.nvpmodel.emit import Emission, emit_mode
from roofline.devices.nvpmodel.fragment import emit_fragment, export_modes
from roofline.devices.nvpmodel.knobs import ModeKnobs, mode_knobs

__all__ = [
    "Conf",
    "Emission",
    "Imported",
    "ModeKnobs",
    "PowerModel",
    "emit_fragment",
    "emit_mode",
    "export_modes",
    "import_modes",
    "mode_knobs",
    "parse_conf",
    "read_conf",
]
