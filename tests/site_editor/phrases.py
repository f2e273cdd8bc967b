"""What people say to the site editor, and the call that it asks for; by assistant and tool."""

from __future__ import annotations

from typing import Any

PHRASES: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = {
    ("welcome", "list_pages"): [
        (text, {})
        for text in (
            "List the pages",
            "list pages",
            "Show me the pages",
            "show me all pages",
            "Which pages are there?",
            "what pages do you have?",
            "Which pages can I edit?",
            "What can I edit?",
            "pages",
            "Which pages?",
            "Can you list the pages, please?",
            "Hello, which pages are there?",
            "give me a list of the pages",
            "What is on the site?",
            "list them",
            "name the pages of the site",
            "what pages do we have",
            "could I see a list of all pages?",
            "Which files can I change?",
            "What pages do I have?",
            "Tell me which pages there are",
            "show the site",
            "list everything",
        )
    ]
    + [
        (text, {"words": "old town"})
        for text in (
            "List the pages about old town",
            'find the pages called "old town"',
            'Search for "old town"',
            "search for old town",
            "Is there a page about old town?",
            "Which pages mention old town?",
        )
    ],
    ("welcome", "open_page"): [
        (text, {"page": page})
        for text, page in (
            ("Edit the about page", "about"),
            ("edit about", "about"),
            ("Open about", "about"),
            ("please open the page about", "about"),
            ("I want to edit the about page.", "about"),
            ("I'd like to change the page blog/first-loaf", "blog/first-loaf"),
            ("Let's work on opening-hours", "opening-hours"),
            ("Can you update About.md, please?", "About.md"),
            ("the contact page", "contact"),
            ("contact page please", "contact"),
            ("page index", "index"),
            ("index.md", "index.md"),
            ("blog/first-loaf", "blog/first-loaf"),
            ('open "about"', "about"),
            ('Edit the page "Opening hours"', "Opening hours"),
            ("Edit Opening hours", "Opening hours"),
            ("Let me change the first loaf", "first loaf"),
            ("go to the contact page", "contact"),
            ("I need the about page", "about"),
            ("make changes to the about page", "about"),
            ("Manage contact", "contact"),
            ("I'd love to edit the contact page", "contact"),
            ("could you pull up the about page?", "about"),
            ("I would like to work on the blog post about bread", "bread"),
            ("Take me to contact", "contact"),
            ("I want to change something on the contact page", "contact"),
            ("start editing index", "index"),
            ("the one about bread", "bread"),
        )
    ],
    ("editor", "read_page"): [
        (text, {})
        for text in (
            "Read the page",
            "read it",
            "Show me the page",
            "show it",
            "print the text",
            "What does it say?",
            "what does the page say?",
            "What is on the page?",
            "let me see it",
            "See the page",
            "How does it read now?",
            "Please read it to me",
            "display the contents",
            "what's on the page?",
            "show me what it says",
        )
    ],
    ("editor", "leave_page"): [
        (text, {})
        for text in (
            "Leave the page",
            "leave",
            "close it",
            "Close the page",
            "go back",
            "Back to the list",
            "another page",
            "Open another page, please",
            "wrong page",
            "Oops, wrong page",
            "nothing",
            "Leave it as it is",
            "never mind",
            "cancel",
            "I'm done",
        )
    ],
    ("editor", "review"): [
        (text, {})
        for text in (
            "Review the change",
            "review it",
            "check my changes",
            "Have it reviewed",
            "Show me the changes",
            "show the diff",
            "see what changed",
            "What has changed?",
            "to the reviewer",
            "That's all",
            "that is it",
            "ready",
            "I'm finished",
            "That’s it, thanks",
            "finished",
            "publish it",
            "Save",
        )
    ],
    ("editor", "set_layout"): [
        (text, {"layout": "wide"})
        for text in (
            "Use the wide layout",
            "use the layout wide",
            "set the layout to wide",
            "Change the layout to wide, please",
            "switch to the wide layout",
            "switch the layout to wide",
            "layout: wide",
            "layout = wide",
            "layout wide",
            "Make the layout wide",
            "Can you apply the wide layout?",
            'I want the "wide" layout',
            "the layout should be wide",
            "give it the wide layout",
            "lay it out as wide",
            "set the page's layout to wide",
        )
    ],
    ("editor", "change_setting"): [
        (text, {"key": key, "value": value})
        for text, key, value in (
            ("Set the title to Who we are", "title", "Who we are"),
            ("Turn draft off", "draft", "false"),
            ("This is no longer a draft", "draft", "false"),
            ("It isn't a draft any more", "draft", "false"),
            ("It should not be a draft", "draft", "false"),
            ("Make this a draft", "draft", "true"),
            ('set title to "Who we are"', "title", "Who we are"),
            ("Change the title to Who we are.", "title", "Who we are"),
            ("update the phone to +351 21 111", "phone", "+351 21 111"),
            ("title: Who we are", "title", "Who we are"),
            ("title = Who we are", "title", "Who we are"),
            ("set draft = false", "draft", "false"),
            ("make the author Rui", "author", "Rui"),
            ("the author should be Rui", "author", "Rui"),
            ('Put "Rui" as the author', "author", "Rui"),
            ("Rename it to Who we are", "title", "Who we are"),
            ("call the page Who we are", "title", "Who we are"),
            ("Give it the title 'Who we are'", "title", "Who we are"),
            ("Mark it as a draft", "draft", "true"),
            ("make it a draft", "draft", "true"),
            ("mark it as no draft", "draft", "false"),
            ("it is no longer a draft", "draft", "false"),
            ("Not a draft any more", "draft", "false"),
            ("it's not a draft anymore", "draft", "false"),
            ("set it to draft", "draft", "true"),
            ("unpublish it", "draft", "true"),
            ("set the publish date to 2026-01-01", "date", "2026-01-01"),
            ("turn the page into a draft", "draft", "true"),
            ("set the setting author to Rui", "author", "Rui"),
            ("Set heroImage to /heron.jpg", "heroImage", "/heron.jpg"),
            ("set params.subtitle to One more", "params.subtitle", "One more"),
            ("Date it 2026-03-01", "date", "2026-03-01"),
            ("the date should be 2026-03-01", "date", "2026-03-01"),
            ("Set the tags to bread, salt and rye", "tags", ["bread", "salt", "rye"]),
            ('tags: "bread"', "tags", ["bread"]),
        )
    ]
    + [
        (text, {"key": "fax", "value": "none", "new": True})
        for text in ("Add the setting fax with none", "add a new setting fax = none", "create a setting fax: none")
    ],
    ("editor", "remove_setting"): [
        (text, {"key": "subtitle"})
        for text in (
            "Remove the setting subtitle",
            'please remove the setting "subtitle"',
            "Delete the field subtitle",
            "Remove the metadata key subtitle",
            "remove the subtitle",
            "delete the subtitle",
            "Drop the subtitle, please",
            "delete the subtitle setting",
            "clear the subtitle",
            "unset subtitle",
            "get rid of the subtitle",
            "take out the subtitle",
            "erase the setting subtitle",
            "no subtitle",
            "the page needs no subtitle",
            "take away the subtitle",
        )
    ],
    ("editor", "add_to_setting"): [
        (text, {"key": key, "item": item})
        for text, key, item in (
            ("Add the tag rye", "tags", "rye"),
            ("add a tag: rye", "tags", "rye"),
            ("Tag it rye", "tags", "rye"),
            ("tag the page with rye", "tags", "rye"),
            ("Tag it as 'old town'", "tags", "old town"),
            ("add rye to the tags", "tags", "rye"),
            ('put "rye" into the tags', "tags", "rye"),
            ("give it the tag rye", "tags", "rye"),
            ("new tag rye", "tags", "rye"),
            ("another tag: rye", "tags", "rye"),
            ("attach the tag rye to the page", "tags", "rye"),
            ("Add the category bread", "categories", "bread"),
            ("file it under the category bread", "categories", "bread"),
            ("add Rui to the authors", "authors", "Rui"),
            ("add the keyword oven", "keywords", "oven"),
            ("add rye as a tag", "tags", "rye"),
        )
    ],
    ("editor", "remove_from_setting"): [
        (text, {"key": key, "item": item})
        for text, key, item in (
            ("Remove the tag rye", "tags", "rye"),
            ("remove the rye tag", "tags", "rye"),
            ("remove tag rye", "tags", "rye"),
            ("delete the tag 'rye'", "tags", "rye"),
            ("drop the tag rye from the page", "tags", "rye"),
            ("untag it rye", "tags", "rye"),
            ("untag rye", "tags", "rye"),
            ("take the tag rye off", "tags", "rye"),
            ("remove rye from the tags", "tags", "rye"),
            ("take rye out of the tags", "tags", "rye"),
            ("no more tag rye", "tags", "rye"),
            ("get rid of the tag rye", "tags", "rye"),
            ("remove the category bread", "categories", "bread"),
            ("remove toc from hide", "hide", "toc"),
            ("strike rye from the keywords", "keywords", "rye"),
        )
    ],
    ("editor", "replace_text"): [
        (text, {"old": "a small oven", "new": new})
        for text, new in (
            ('Replace "a small oven" with "a big oven"', "a big oven"),
            ('Substitute "a big oven" for "a small oven"', "a big oven"),
            ('substitute "a small oven" with "a big oven"', "a big oven"),
            ('swap "a small oven" for "a big oven"', "a big oven"),
            ('It should say "a big oven" instead of "a small oven"', "a big oven"),
            ('Make it "a big oven" instead of "a small oven"', "a big oven"),
            ('Rephrase "a small oven" as "a big oven"', "a big oven"),
            ("replace 'a small oven' by 'a big oven'", "a big oven"),
            ("replace a small oven with a big oven", "a big oven"),
            ("Please replace the words “a small oven” with “a big oven”.", "a big oven"),
            ('change "a small oven" to "a big oven"', "a big oven"),
            ('Change the text "a small oven" into "a big oven"', "a big oven"),
            ('turn "a small oven" into "a big oven"', "a big oven"),
            ('rewrite "a small oven" as "a big oven"', "a big oven"),
            ('correct "a small oven" to "a big oven"', "a big oven"),
            ('swap "a small oven" for "a big oven"', "a big oven"),
            ('make "a small oven" read "a big oven"', "a big oven"),
            ('instead of "a small oven" write "a big oven"', "a big oven"),
            ('write "a big oven" instead of "a small oven"', "a big oven"),
            ('where it says "a small oven", put "a big oven"', "a big oven"),
            ('"a small oven" should be "a big oven"', "a big oven"),
            ('"a small oven" -> "a big oven"', "a big oven"),
            ("s/a small oven/a big oven/", "a big oven"),
            ('Replace "a small oven" with "one, or\ntwo ovens"', "one, or\ntwo ovens"),
            ('for "a small oven" put "a big oven"', "a big oven"),
            ("swap out 'a small oven' for 'a big oven'", "a big oven"),
            ('fix the typo "a small oven" -> "a big oven"', "a big oven"),
        )
    ],
    ("editor", "delete_text"): [
        (text, {"text": "a small oven"})
        for text in (
            'delete "a small oven"',
            'Remove the words "a small oven", please.',
            'get rid of "a small oven"',
            'remove the sentence "a small oven"',
            "cut 'a small oven'",
            'cut out "a small oven"',
            'strike "a small oven"',
            'take out "a small oven"',
            'take "a small oven" out',
            'leave out "a small oven"',
            'drop "a small oven"',
            'omit "a small oven"',
            '"a small oven" must go',
            "erase “a small oven”",
        )
    ],
    ("editor", "insert_text"): [
        (text, {"text": "very", "place": place, "anchor": "small"})
        for text, place in (
            ('Insert "very" before "small"', "before"),
            ('Insert the word "very" just before "small"', "before"),
            ('Insert the sentence "very" after "small"', "after"),
            ('append "very" to "small"', "after"),
            ('Prepend "very" to "small"', "before"),
            ('insert "very" after "small"', "after"),
            ('add "very" before "small"', "before"),
            ('Put the word "very" in front of "small"', "before"),
            ('write "very" behind "small"', "after"),
            ('before "small" insert "very"', "before"),
            ('After "small", write "very"', "after"),
            ('right before "small" put "very"', "before"),
            ('"very" should come before "small"', "before"),
            ("insert very before small", "before"),
            ("add very after small", "after"),
            ('let "very" follow "small"', "after"),
            ('let "very" precede "small"', "before"),
        )
    ],
    ("editor", "add_paragraph"): [
        (text, {"text": "Ring first.", "section": section, "place": place})
        for text, section, place in (
            ('Add the paragraph "Ring first."', "", "end"),
            ('Add a paragraph "Ring first." to the page', "", "end"),
            ('add a paragraph saying "Ring first."', "", "end"),
            ('New paragraph: "Ring first."', "", "end"),
            ('add a new paragraph: "Ring first."', "", "end"),
            ('Append "Ring first."', "", "end"),
            ('append "Ring first." to the page', "", "end"),
            ('Add "Ring first." at the end', "", "end"),
            ('Add "Ring first." to the end of the page', "", "end"),
            ('write "Ring first." at the top of the page', "", "start"),
            ('put "Ring first." at the beginning', "", "start"),
            ('Begin the page with "Ring first."', "", "start"),
            ('end the page with "Ring first."', "", "end"),
            ('add a line at the end saying "Ring first."', "", "end"),
            ('add "Ring first." to the section Visit us', "Visit us", "end"),
            ('Add the sentence "Ring first." to the Visit us section', "Visit us", "end"),
            ('put "Ring first." under the section "Visit us"', "Visit us", "end"),
            ('add "Ring first." at the start of the section Visit us', "Visit us", "start"),
        )
    ]
    + [
        (text, {"text": added, "place": "end"})
        for text, added in (
            ('Add a section "Visits" with the text "Ring."', "## Visits\n\nRing."),
            ('add a new section called "Visits"', "## Visits"),
        )
    ],
    ("editor", "rewrite_section"): [
        (text, {"section": "Visit us", "text": "Ring first."})
        for text in (
            'Rewrite the section Visit us as "Ring first."',
            'rewrite the section "Visit us" to "Ring first."',
            'Rewrite the Visit us section: "Ring first."',
            "Rewrite the section Visit us: Ring first.",
            'replace the section Visit us with "Ring first."',
            'change the section Visit us to say "Ring first."',
            'update the Visit us section with "Ring first."',
            'redo the section Visit us as "Ring first."',
            'let the section Visit us say "Ring first."',
            'the section Visit us should say "Ring first."',
            'make the Visit us section read "Ring first."',
            'write "Ring first." as the text of the section Visit us',
            'give the section Visit us the text "Ring first."',
        )
    ],
    ("editor", "delete_section"): [
        (text, {"section": "Visit us"})
        for text in (
            "Delete the section Visit us",
            "delete the whole section Visit us",
            'delete the section "Visit us"',
            "remove the Visit us section",
            'Remove the section called "Visit us", please',
            "drop the section Visit us",
            "cut the section Visit us",
            "take out the section Visit us",
            "leave out the Visit us section",
            "get rid of the section Visit us",
            "omit the section Visit us",
            "the section Visit us must go",
            "the Visit us section can go",
            "erase section Visit us",
        )
    ],
    ("editor", "move_section"): [
        (text, {"section": "Visit us", "where": where, "other": other})
        for text, where, other in (
            ("Move the section Visit us before Prices", "before", "Prices"),
            ("move Visit us before the section Prices", "before", "Prices"),
            ('Move "Visit us" after "Prices"', "after", "Prices"),
            ("put the Visit us section above the Prices section", "before", "Prices"),
            ("put Visit us below Prices", "after", "Prices"),
            ("shift Visit us behind Prices", "after", "Prices"),
            ("the section Visit us should come before Prices", "before", "Prices"),
            ("Visit us must come after Prices", "after", "Prices"),
            ("Move Visit us to the top", "first", ""),
            ("move the section Visit us to the end", "last", ""),
            ("put Visit us first", "first", ""),
            ("put the section Visit us at the bottom of the page", "last", ""),
            ("make Visit us the first section", "first", ""),
            ("Visit us should be last", "last", ""),
            ("I want the Visit us section at the top", "first", ""),
        )
    ],
    ("reviewer", "undo"): [
        (text, {})
        for text in (
            "Undo",
            "undo it",
            "oops, undo",
            "undo the edit",
            "Undo last",
            "Roll it back",
            "roll back",
            "That was wrong, undo it",
            "undo that",
            "Undo the last edit",
            "undo my last change, please",
            "take the last edit back",
            "Take that back",
            "revert the last edit",
            "remove the last edit",
            "one step back",
            "go one step back",
            "not that one",
            "the last one was wrong",
            "that was a mistake",
        )
    ],
    ("reviewer", "publish"): [
        (text, {})
        for text in (
            "Publish it",
            "publish",
            "Please publish the change",
            "yes",
            "Yes, publish it!",
            "OK",
            "go ahead",
            "Do it",
            "save it",
            "accept the change",
            "ship it",
            "approve",
            "Looks good to me",
            "yes, please publish",
            "that's perfect, publish",
            "LGTM",
            "all good, go ahead",
            "sounds good",
            "it looks fine",
            "make it live",
            "put it online",
        )
    ],
    ("reviewer", "drop"): [
        (text, {})
        for text in (
            "Drop it",
            "drop",
            "discard the change",
            "undo everything",
            "No",
            "no, drop it",
            "cancel",
            "reject it",
            "revert",
            "forget it",
            "never mind",
            "throw it away",
            "don't publish it",
            "I don't like it",
            "I don’t want that",
            "leave it as it was",
        )
    ],
    ("reviewer", "go_on"): [
        (text, {})
        for text in (
            "Go on",
            "go on editing",
            "keep editing",
            "continue",
            "carry on with the editing",
            "back to editing",
            "more changes",
            "I want more changes",
            "one more change",
            "another change, please",
            "change something else",
            "not yet",
            "Wait",
            "edit more",
            "one more thing",
            "wait, one more thing",
        )
    ],
    ("reviewer", "show_change"): [
        (text, {})
        for text in (
            "Show it again",
            "show me",
            "show the change",
            "Show me the diff again",
            "what changed?",
            "What has changed?",
            "what did I change?",
            "diff",
            "the difference",
            "what is the change?",
            "review it again",
            "What will be published?",
            "display the changes",
        )
    ],
}
