"""Run models on this machine, and measure what the machine can do. Only this part loads onnxruntime."""
