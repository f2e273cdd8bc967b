"""What the tests of the checks share."""
