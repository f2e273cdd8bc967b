"""The sandbox, through the real SDK and against OpenAI's own document."""
