"""Devices: YAML files become frozen `DeviceSpec` values, and those become arrays over power modes."""
