"""Mutations of programs: cut, spliced, renamed and nested, so that many still parse and few still mean
what they did. For mutate.py and tests/fuzz/verdicts.py."""

import re

WORDS = """__subclasses__ __bases__ __base__ __mro__ mro __globals__ __builtins__ __code__ __closure__ __func__
__self__ __wrapped__ __dict__ __getattribute__ __reduce__ __reduce_ex__ __loader__ __spec__ __traceback__ gi_frame
cr_frame ag_frame tb_frame f_back f_globals f_builtins f_locals co_code"""
NEVER = set(WORDS.split())
PLAIN = "x eval open __class__ __match_args__ __name__ é ｏs self _ __x"
NAMES = sorted(NEVER) + PLAIN.split()
IDENTIFIER = re.compile(r"[^\W\d]\w*")


def mutate(rng, texts):
    """One of @texts, changed."""
    text = rng.choice(texts)
    for _ in range(rng.randint(1, 4)):
        lines = text.split("\n")
        kind = rng.randrange(7)
        if kind == 0:
            i = rng.randrange(len(text) + 1)
            text = text[:i] + text[i + rng.randint(1, 8) :]
        elif kind == 1:
            other = rng.choice(texts).split("\n")
            i = rng.randrange(len(lines) + 1)
            lines[i:i] = other[rng.randrange(len(other)) :][: rng.randint(1, 5)]
            text = "\n".join(lines)
        elif kind == 2:
            found = list(IDENTIFIER.finditer(text))
            if found:
                m = rng.choice(found)
                text = text[: m.start()] + rng.choice(NAMES) + text[m.end() :]
        elif kind == 3:
            text = "def f():\n" + "\n".join("    " + line for line in lines)
        elif kind == 4:
            text = "class C:\n" + "\n".join("    " + line for line in lines)
        elif kind == 5:
            i = rng.randrange(len(text) + 1)
            text = text[:i] + rng.choice("()[]{}:,.=*@\\\n\r\f'\"#é") + text[i:]
        else:
            rng.shuffle(lines)
            text = "\n".join(lines)
    return text
