"""Who runs the model. One contract (`base`), one module per backend; a flow does not know which one it runs on."""
