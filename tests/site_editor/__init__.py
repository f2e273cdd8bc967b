"""Sites and sentences for the tests of the site editor."""
