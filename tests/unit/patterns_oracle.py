#!/usr/bin/env python3
"""Writes patterns_cases.inc: what Python's fnmatchcase says, as huggingface_hub asks it (utils/_paths.py).

    ./patterns_oracle.py > patterns_cases.inc

The same seed gives the same rows. Python 3.9 or later, for the empty ranges of bracket sets changed there.
"""

import random
from fnmatch import fnmatchcase

SEED = 20261
GENERATED = 6000
# Few letters, so that chance makes matches; every sign that means something to fnmatch or to a regular expression.
PATTERN_SIGNS = ["*", "*", "?", "[", "[", "]", "]", "!", "-", "-", "^", "a", "b", "c", "#", "/", "\\", ".", "é", "😀",
                 "&", "~", "|", "("]
PATH_SIGNS = ["a", "a", "b", "b", "c", "/", "\\", ".", "!", "-", "^", "]", "[", "#", "é", "😀", "&", "\n"]
SET_SIGNS = ["!", "-", "-", "-", "a", "b", "c", "z", "#", "$", "]", "[", "^", "/", "é", "&", "~", "|"]
BY_HAND = [
    ("*.json", "a/b/c.json"), ("**/*.json", "x.json"), ("**/*.json", "a/x.json"), ("a", "a/b"), ("a/", "a/b"),
    ("a/", "a"), ("a/", "a/"), ("a\\", "a/b/c"), ("*.JSON", "a.json"), ("model-0000[1-3]*", "model-00002-of-00009"),
    ("{a,b}", "a"), ("{a,b}", "{a,b}"), ("", ""), ("", "a"), ("*", ""), ("?", ""), ("?", "é"), ("??", "é"),
    ("[]]", "]"), ("[]", "[]"), ("[!]", "[!]"), ("[!]]", "a"), ("[!]]", "]"), ("[a", "[a"), ("[a-c]", "b"),
    ("[a-]", "-"), ("[-a]", "-"), ("[!-a]", "-"), ("[!-a]", "b"), ("[c-a]", "b"), ("[c-a]", "c"), ("[!c-a]", "c"),
    ("[c-a!b]", "b"), ("[c-a!b]", "c"), ("[z-a!-#]", "-"), ("[z-a!-#]", "#"), ("[z-a!-#]", "x"), ("[!-#]", "x"), ("[!--a]", "."), ("[!--a]", "-"), ("[!--a]", "b"), ("[a-c--0]", "."), ("[a-c--0]", "d"),
    ("[a-c-e]", "d"), ("[a-c-e]", "-"), ("[a-cd-]", "-"), ("[--0]", "."), ("[a--]", "a"), ("[^a]", "^"), ("[^a]", "b"),
    ("[é-ü]", "ö"), ("[[a]", "["), ("*[!a]", "ba"), ("*[!a]", "ab"), ("*?*?", "a"), ("*a*b*c", "xaybzc"),
    ("*a*b*c", "xaybzcd"), ("[\\]", "/"), ("[a/", "[a/b"), ("[!!]", "!"), ("[!!]", "a"), ("*" * 40 + "b", "a" * 60),
    ("a*" * 20 + "b", "a" * 100), ("*[ab]" * 20 + "c", "ab" * 50),
]


def normal(text):
    return text.replace("\\", "/")


def expected(pattern, path):
    pattern = normal(pattern)
    return fnmatchcase(normal(path), pattern + "*" if pattern.endswith("/") else pattern)


def literal(text):
    out = ""
    for b in text.encode():
        if 0x20 <= b < 0x7F and chr(b) not in '"\\?':  # '?' could begin a trigraph
            out += chr(b)
        else:
            out += "\\%03o" % b
    return '"' + out + '"'


def generated(r):
    kind = r.randrange(4)
    if kind == 0:  # anything at all
        return "".join(r.choices(PATTERN_SIGNS, k=r.randrange(9))), "".join(r.choices(PATH_SIGNS, k=r.randrange(8)))
    if kind == 1:  # one set against one sign
        return "[" + "".join(r.choices(SET_SIGNS, k=r.randrange(1, 10))) + "]", r.choice(PATH_SIGNS + SET_SIGNS)
    path = "".join(r.choices(PATH_SIGNS, k=r.randrange(1, 10)))
    if kind == 2:  # a path whose parts became wild
        signs = [r.choice(["*", "?", "[" + c + "b]", "[!" + c + "]", c, c, c]) for c in path]
        return "".join(signs), path
    at = r.randrange(len(path) + 1)  # a path cut and starred
    return path[:at] + r.choice(["*", "**", "/", "*?", "[!a]*"]), path


def main():
    r = random.Random(SEED)
    cases = dict.fromkeys(BY_HAND)
    while len(cases) < GENERATED:
        cases[generated(r)] = None
    for pattern, path in cases:
        print("{ %s, %s, %s }," % (literal(pattern), literal(path), str(expected(pattern, path)).lower()))


main()
