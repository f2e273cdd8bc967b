"""The core and its proof."""
