"""Measured runs: one table (``roofline.measurement/1``), files of other tools read into it, joined to a model's layers.

`record` holds the row and its columns, `table` reads and writes the CSV, `against` holds rows against a device, `join`
against a model; `formats` has one module for each tool whose files are read.
"""
