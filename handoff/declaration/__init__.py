"""What a flow is: assistants, tools and transitions, declared once, judged as they are written, then frozen.

Nothing here runs a conversation. Its centre is `flow`; whatever can be wrong with a declaration is refused here.
"""
