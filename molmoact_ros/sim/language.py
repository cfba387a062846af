"""How the tasks of the tabletop are said, and what a sentence asks of a table."""

import re

from .layout import COLOURS, SHAPES, SIDES, Layout, Task

NOUNS = {"cube": ("cube", "block", "box"), "can": ("can", "cylinder"), "ball": ("ball", "sphere")}
# Says the shape of nothing: for objects whose colour alone tells them apart, and for shapes never seen in training.
GENERIC = ("object", "thing")
ARTICLES = ("the", "a")
CANONICAL = {
    "pick": "pick up {t}",
    "bowl": "put {t} in the bowl",
    "push": "push {t} to the {s}",
    "stack": "put {t} on {r}",
    "beside": "put {t} to the {s} of {r}",
}
SAID = {
    "pick": ("pick up {t}", "grab {t}", "lift {t}", "take {t}", "grasp {t}", "lift up {t}", "pick {t} up"),
    "bowl": (
        "put {t} in the bowl", "place {t} in the bowl", "drop {t} into the bowl", "put {t} into the bowl",
        "move {t} to the bowl", "grab {t} and put it in the bowl", "in the bowl put {t}",
    ),
    "push": (
        "push {t} to the {s}", "slide {t} to the {s}", "push {t} {s}", "move {t} to the {s}", "to the {s} move {t}",
    ),
    "stack": (
        "put {t} on {r}", "stack {t} on {r}", "place {t} on top of {r}", "put {t} on top of {r}",
        "take {t} and put it on {r}", "on top of {r} put {t}",
    ),
    "beside": (
        "put {t} {s} of {r}", "place {t} to the {s} of {r}", "put {t} to the {s} of {r}", "move {t} {s} of {r}",
        "{s} of {r} place {t}",
    ),
}  # fmt: skip
# Never used in training: new sentences of known words.
HELD_OUT = {
    "pick": ("lift {t} up", "grab and lift {t}", "take up {t}"),
    "bowl": ("into the bowl put {t}", "place {t} into the bowl", "take {t} and drop it in the bowl"),
    "push": ("slide {t} {s}", "to the {s} push {t}", "move {t} {s}"),
    "stack": ("stack {t} on top of {r}", "on {r} put {t}", "take {t} and place it on {r}"),
    "beside": ("place {t} {s} of {r}", "to the {s} of {r} put {t}", "move {t} to the {s} of {r}"),
}


def _words() -> tuple[str, ...]:
    phrases = [w for said in (SAID, HELD_OUT) for group in said.values() for w in group]
    nouns = [noun for group in NOUNS.values() for noun in group]
    found = {w for phrase in phrases for w in re.sub(r"\{.\}", "", phrase).split()}
    return tuple(sorted(found | {*nouns, *GENERIC, *ARTICLES, *COLOURS, *SIDES}))


WORDS = _words()
_COLOUR_AND_NOUN = {noun: shape for shape, group in NOUNS.items() for noun in group} | {g: "" for g in GENERIC}


def noun_of(layout: Layout, name: str) -> str:
    """Return the canonical noun of an object: its shape's, or a generic one where the shape has no word."""
    shape = layout.item(name).shape
    return shape if shape in SHAPES else GENERIC[0]


def sole_of_its_colour(layout: Layout, name: str) -> bool:
    """Whether the colour alone tells the object apart."""
    colour = layout.item(name).colour
    return sum(i.colour == colour for i in layout.items) == 1


def canonical(task: Task, phrase) -> str:
    """Say a task in its one canonical form; `phrase(name)` gives colour and noun of an object."""
    target = f"the {phrase(task.target)}"
    reference = f"the {phrase(task.reference)}" if task.reference else ""
    return CANONICAL[task.kind].format(t=target, r=reference, s=task.side)


def instruction(layout: Layout) -> str:
    """Return the sentence for the task of a table: canonical, or a held-out one on the language axis."""
    said = canonical(layout.task, lambda name: f"{layout.item(name).colour} {noun_of(layout, name)}")
    if layout.axis != "language":
        return said
    choices = HELD_OUT[layout.task.kind]
    return _say(said, choices[layout.number // len(HELD_OUT) % len(choices)], layout.task.kind)


def paraphrase(said: str, rng) -> str:
    """Say a canonical sentence in one of the ways of training; other sentences stay as they are."""
    kind = _kind_of(said)
    if kind is None:
        return said
    choices = SAID[kind]
    return _say(said, choices[int(rng.integers(len(choices)))], kind, rng)


_PATTERNS = {
    kind: re.compile("^" + form.format(t="the (?P<t>[a-z]+ [a-z]+)", r="the (?P<r>[a-z]+ [a-z]+)",
                                       s=f"(?P<s>{'|'.join(SIDES)})") + "$")
    for kind, form in CANONICAL.items()
}  # fmt: skip


def _kind_of(said: str) -> str | None:
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.match(said)), None)


def _say(said: str, form: str, kind: str, rng=None) -> str:
    """Put the parts of a canonical sentence into another form, with other words for the same things if `rng`."""
    parts = _PATTERNS[kind].match(said).groupdict()
    filled = {"s": parts.get("s")}
    for key in ("t", "r"):
        if parts.get(key):
            colour, noun = parts[key].split()
            filled[key] = f"{_any(ARTICLES, rng)} {colour} {_any(_synonyms(noun), rng)}"
    return form.format(**filled)


def _synonyms(noun: str) -> tuple[str, ...]:
    return GENERIC if noun in GENERIC else NOUNS.get(_COLOUR_AND_NOUN.get(noun, ""), (noun,))


def _any(choices, rng) -> str:
    return choices[0] if rng is None else choices[int(rng.integers(len(choices)))]


def understand(sentence: str, items) -> Task | None:
    """Return what a sentence asks of a table with these objects; None when it names none or is ambiguous."""
    words = [w for w in re.findall(r"[a-z]+", sentence.lower()) if w not in ARTICLES]
    named = [
        (i, w, words[i + 1]) for i, w in enumerate(words[:-1]) if w in COLOURS and words[i + 1] in _COLOUR_AND_NOUN
    ]
    target = reference = ""
    for i, colour, noun in named:
        name = _only(items, colour, _COLOUR_AND_NOUN[noun])
        if name is None:
            return None
        if i and words[i - 1] in ("on", "of"):
            reference = name
        elif target:
            return None
        else:
            target = name
    if not target:
        return None
    side = next((w for w in words if w in SIDES), "")
    kind = _kind(words, side, reference)
    return kind and Task(
        kind, target, reference if kind in ("stack", "beside") else "", side if kind in ("push", "beside") else ""
    )


def _kind(words, side: str, reference: str) -> str | None:
    if "bowl" in words:
        return "bowl"
    if reference:
        return "beside" if side else "stack"
    if side:
        return "push"
    return "pick" if {"pick", "grab", "lift", "take", "grasp"} & set(words) else None


def _only(items, colour: str, shape: str) -> str | None:
    fitting = [i.name for i in items if i.colour == colour and (not shape or i.shape == shape)]
    return fitting[0] if len(fitting) == 1 else None
