"""Fuzzers for what reads files and answers that anybody may have made."""
