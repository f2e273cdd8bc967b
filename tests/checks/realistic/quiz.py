"""A quiz: an assistant that hands over to itself, numbers, a property of the metadata, an end in the tool's words."""

from __future__ import annotations

from handoff import Flow, FromMetadata, Metadata

QUESTIONS = ("2 + 2?", "3 * 3?", "Capital of France?")


class Quiz(Metadata):
    asked: int = 0
    score: int = 0
    name: str | None = None
    question: str | None = None

    @property
    def over(self) -> bool:
        return self.asked >= len(QUESTIONS)


def more(quiz: Quiz) -> bool:
    """All questions were asked."""
    return not quiz.over


flow = Flow("quiz", metadata=Quiz)
host = flow.assistant("host", instructions="Ask for a name, then start_quiz.")
asker = flow.assistant(
    "asker", instructions="{{ name }} answers: {{ question }}. Score so far: {{ score }} of {{ asked }}."
)
judge = flow.assistant("judge", instructions="Tell {{ name }} the result: {{ score }} of {{ asked }}.")


@host.tool(to=asker, sets=("name", "question", "asked", "score"))
def start_quiz(quiz: Quiz, name: str) -> str:
    """Start."""
    quiz.question = QUESTIONS[0]
    quiz.asked = 0
    quiz.score = 0
    return "Started."


@asker.tool(to=(asker.when(more), judge), sets=("asked", "score", "question"))
def answer(quiz: Quiz, question: FromMetadata[str], answer: str) -> str:
    """Take an answer."""
    quiz.asked += 1
    if answer == "4":
        quiz.score += 1
    quiz.question = QUESTIONS[min(quiz.asked, len(QUESTIONS) - 1)]
    return "Right." if quiz.score else "Wrong."


@asker.tool()
def hint(question: FromMetadata[str]) -> str:
    """Give a hint."""
    return question[::-1]


@judge.tool(to=host, clears=("name", "question"), sets=("asked", "score"))
def again(quiz: Quiz) -> str:
    """Play again."""
    quiz.asked = quiz.score = 0
    return "Again."


@judge.tool(to=flow.end, speak="output")
def stop() -> str:
    """Stop playing."""
    return "Bye."
