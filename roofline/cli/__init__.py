"""The command line: parse, call the library, hand the result to an exporter."""
