"""Drafts of definitions from machines that were written for other libraries. Nothing of it is loaded unless asked.

A reader for each kind makes a `Chart`, a tree of states. `flatten` makes a `Draft` of it, a table of states without
children, and `draft_text` writes that as YAML. Whatever has no place in the format is a comment where it stood.
"""
