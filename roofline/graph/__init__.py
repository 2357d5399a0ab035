"""Reading: an ONNX file becomes frozen `Graph` values with every shape known."""
