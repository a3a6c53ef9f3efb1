# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Templates of subjects and names: TYPE=text, TYPE=text with ${csr.TYPE}, ${entity}, ${entity.TYPE}, ${user}; \\, \\\\ \\$"""


class Absent(Exception):
    """A variable that stands beside text has no value"""


class Unclear(Exception):
    """What the documentation leaves open"""


def parts(text):
    """[("text", ...), ("variable", ...)] up to a comma that is not escaped; and what is behind it"""
    out, at, literal = [], 0, ""
    while at < len(text) and text[at] != ",":
        if text[at] == "\\":
            literal += text[at + 1]
            at += 2
        elif text[at] == "$":
            end = text.index("}", at)
            if literal:
                out.append(("text", literal))
            out.append(("variable", text[at + 2:end]))
            literal, at = "", end + 1
        else:
            literal += text[at]
            at += 1
    if literal:
        out.append(("text", literal))
    return out, text[at + 1:] if at < len(text) else None


def trimmed(pieces):
    """Blanks around commas are not part of a value"""
    if pieces and pieces[0][0] == "text":
        pieces[0] = ("text", pieces[0][1].lstrip(" "))
    if pieces and pieces[-1][0] == "text":
        pieces[-1] = ("text", pieces[-1][1].rstrip(" "))
    return [piece for piece in pieces if piece[1]]


def value_of(variable, facts):
    """None: absent"""
    scope, _, kind = variable.partition(".")
    if variable == "user":
        if facts.who.kind != "user":
            raise Unclear("the name of an identity that is no user")
        return facts.who.name
    if scope == "csr":
        return facts.attribute(kind)
    if facts.who.entity is None:
        if not kind:
            raise Unclear("an entity that is named after its certificate")
        return None
    if not kind:
        return facts.who.entity.name
    return next((value for name, value in pairs(facts.who.entity.subject or "") if name == kind), None)


def expand(pieces, facts):
    """The text; None where all of it are variables without a value"""
    values = [text if kind == "text" else value_of(text, facts) for kind, text in pieces]
    if None not in values:
        return "".join(values)
    if any(kind == "text" for kind, _ in pieces):
        raise Absent(f"no value for {[text for (kind, text), value in zip(pieces, values) if value is None]}")
    if any(value is not None for value in values):
        raise Unclear("some of several variables are absent")
    return None


def split(template):
    """[(TYPE, pieces)] of a subject"""
    out = []
    while template is not None:
        kind, _, text = template.partition("=")
        pieces, template = parts(text)
        out.append((kind.strip(" "), trimmed(pieces)))
    return out


def pairs(subject):
    """[(TYPE, value)] of a subject without variables, such as end_entity.subject"""
    return [(kind, "".join(text for _, text in pieces)) for kind, pieces in split(subject)]


def subject(template, facts):
    """[(TYPE, value)]"""
    found = [(kind, expand(pieces, facts)) for kind, pieces in split(template)]
    return [(kind, value) for kind, value in found if value is not None]


def name(template, facts):
    """One name, None where nothing of it is there"""
    return expand(parts(template)[0], facts)
