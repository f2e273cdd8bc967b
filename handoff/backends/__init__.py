"""Who runs the model: one contract (`base`), a package per kind of server. A flow does not know which one it is on."""
