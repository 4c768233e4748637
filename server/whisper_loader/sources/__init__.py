"""Where models live. Each kind of source is one module with one function: `resolve`, what is meant now."""
